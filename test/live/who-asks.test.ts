import { describe, expect, it } from "vitest"
import { createGate, memoryUserStore } from "../../src/index.js"
import { realmsOf } from "../contracts/realm/open-realms.ts"
import { client } from "../contracts/realm/realm-client.ts"
import { audienceMapper, describeWhoAsks } from "../contracts/who-asks.ts"
import { realServer } from "./realms.ts"

describeWhoAsks("the real server", realServer)

// The test realm knows no token exchange.
describe("a token that was exchanged for one of another client", () => {
  const open = realmsOf(realServer)
  const subject = {
    enabled: true,
    secret: "gate-secret",
    serviceAccountsEnabled: true,
    directAccessGrantsEnabled: true,
  }
  const session = { "client_credentials.use_refresh_token": "true" }
  const exchanger = { "standard.token.exchange.enabled": "true" }
  const light = { "client.use.lightweight.access.token.enabled": "true" }

  it.each(["introspection", "local"] as const)("is a service's or a person's, as it was before (%s)", async mode => {
    const realm = await open(`exchanged-${mode}`, file => {
      const toAll = ["gate-app", "by", "by-brought", "by-light"].map(audienceMapper)
      const brought = { username: "service-account-by-brought", enabled: true, serviceAccountClientId: "by-brought" }
      file.bruteForceProtected = false
      file.users.push(brought)
      file.clients.push(
        { clientId: "Cron", ...subject, protocolMappers: toAll },
        { clientId: "cron-session", ...subject, attributes: session, protocolMappers: toAll },
        { clientId: "by", ...subject, attributes: exchanger, protocolMappers: toAll },
        { clientId: "by-brought", ...subject, attributes: exchanger, protocolMappers: toAll },
        { clientId: "by-light", ...subject, attributes: { ...exchanger, ...light }, protocolMappers: toAll },
      )
    })
    const gate = createGate({
      serverUrl: realm.url,
      realm: realm.realm,
      clientId: "gate-app",
      clientSecret: "gate-secret",
      audience: mode === "local" ? null : "gate-app",
      verification: mode,
      timeoutMs: 60_000,
      userStore: memoryUserStore(),
      onEvent: () => undefined,
    })
    const kinds: Record<string, string> = {}
    for (const id of ["Cron", "cron-session", "bob-admin"]) {
      const isPerson = id === "bob-admin"
      const { body } = isPerson
        ? await realm.login(id, {}, client("Cron"))
        : await realm.token({ grant_type: "client_credentials" }, client(id))
      for (const by of ["by", "by-brought", "by-light"]) {
        const grant_type = "urn:ietf:params:oauth:grant-type:token-exchange"
        const subject_token_type = "urn:ietf:params:oauth:token-type:access_token"
        const fields = { grant_type, subject_token: body.access_token, subject_token_type }
        const { access_token } = (await realm.token(fields, client(by))).body
        kinds[`${id} by ${by}`] = await gate.verifyBearer(`Bearer ${access_token}`, { kind: "any" }).then(
          ({ kind }) => kind,
          ({ reason, code }) => reason ?? code,
        )
      }
    }
    // A lightweight token names nobody, unless Keycloak is asked.
    const lightweight = (kind: string) => (mode === "local" ? "claims" : kind)
    expect(kinds).toEqual({
      "Cron by by": "service",
      "Cron by by-brought": "service",
      "Cron by by-light": "service",
      "cron-session by by": "service",
      "cron-session by by-brought": "claims",
      "cron-session by by-light": lightweight("service"),
      "bob-admin by by": "user",
      "bob-admin by by-brought": "user",
      "bob-admin by by-light": lightweight("user"),
    })
  })
})
