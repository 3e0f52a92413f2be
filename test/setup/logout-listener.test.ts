import { describe, expect, it } from "vitest"
import { frontEndsAmong } from "../../src/setup/logout-listener.js"

const mapper = (config: object, protocolMapper = "oidc-audience-mapper") => ({
  protocolMapper,
  config: { "access.token.claim": "true", ...config },
})
const toShop = mapper({ "included.client.audience": "shop-api" })
const web = {
  ...{ clientId: "shop-web", enabled: true, protocol: "openid-connect", standardFlowEnabled: true },
  protocolMappers: [toShop],
}
const scope = { name: "to-the-shop", protocolMappers: [toShop] }
const about = { audience: "shop-api", own: "shop-api" }
const found = (client: unknown, scopes: readonly object[] = []) =>
  frontEndsAmong([client] as never, scopes as never, about).map(({ clientId }) => clientId)

describe("a front end is another client that logs people in with tokens for this application", () => {
  it.each([
    ["by its own mapper", web],
    [
      "by an audience that is no client",
      { ...web, protocolMappers: [mapper({ "included.custom.audience": "shop-api" })] },
    ],
    ["by a default scope", { ...web, protocolMappers: undefined, defaultClientScopes: ["basic", "to-the-shop"] }],
    ["by an optional scope", { ...web, protocolMappers: [], optionalClientScopes: ["to-the-shop"] }],
    ["with passwords alone", { ...web, standardFlowEnabled: false, directAccessGrantsEnabled: true }],
    [
      "on devices alone",
      { ...web, standardFlowEnabled: false, attributes: { "oauth2.device.authorization.grant.enabled": "true" } },
    ],
  ])("%s", (_, client) => {
    expect(found(client, [scope])).toEqual(["shop-web"])
  })

  it.each([
    ["the application's own", { ...web, clientId: "shop-api" }],
    ["one that every realm begins with", { ...web, clientId: "account-console" }],
    ["one that is disabled", { ...web, enabled: false }],
    ["one that logs nobody in", { ...web, standardFlowEnabled: false, serviceAccountsEnabled: true }],
    ["bearer-only", { ...web, bearerOnly: true }],
    ["of another protocol", { ...web, protocol: "saml" }],
    ["without a mapper", { ...web, protocolMappers: undefined }],
    ["for another audience", { ...web, protocolMappers: [mapper({ "included.client.audience": "billing" })] }],
    [
      "with the audience in ID tokens alone",
      { ...web, protocolMappers: [mapper({ ...toShop.config, "access.token.claim": "false" })] },
    ],
    [
      "with another kind of mapper",
      { ...web, protocolMappers: [mapper(toShop.config, "oidc-hardcoded-claim-mapper"), null] },
    ],
    ["no client at all", null],
  ])("and not %s", (_, client) => {
    expect(found(client, [{ name: "basic" }, null as never])).toEqual([])
  })
})

it.each([
  ["https://api.example.test/out", "https://shop.example.test", "https://api.example.test/out"],
  ["/out", "https://shop.example.test", "https://shop.example.test/out"],
  ["/out", undefined, "/out"],
  ["", "https://shop.example.test", null],
  [undefined, undefined, null],
])("a logout URL of %j under the root %j is %j", (url, rootUrl, expected) => {
  const client = { ...web, rootUrl, attributes: { "backchannel.logout.url": url } }
  expect(frontEndsAmong([client], [], about)[0]?.url).toBe(expected)
})
