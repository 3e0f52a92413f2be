import { describe, expect, it } from "vitest"
import { requirementsFrom } from "../../src/migrate/index.js"
import { parseRequirements } from "../../src/verify/requirements.js"

const clientId = "shop-api"

describe("requirementsFrom", () => {
  it.each([
    ["realm:admin", { realmRoles: ["admin"] }],
    ["editor", { clientRoles: { "shop-api": ["editor"] } }],
    ["shop-api:editor", { clientRoles: { "shop-api": ["editor"] } }],
    ["other-app:special", { clientRoles: { "other-app": ["special"] } }],
    ["realm", { clientRoles: { "shop-api": ["realm"] } }],
    ["REALM:admin", { clientRoles: { REALM: ["admin"] } }],
    ["realm:shop:view", { realmRoles: ["shop:view"] }],
    ["other-app:orders:view", { clientRoles: { "other-app": ["orders:view"] } }],
    ["realm:head of sales", { realmRoles: ["head of sales"] }],
    ["realm:Müller", { realmRoles: ["Müller"] }],
    ["__proto__:x", { clientRoles: JSON.parse('{"__proto__":["x"]}') }],
  ])("reads %s", (role, requirements) => {
    const read = requirementsFrom(role, { clientId })
    expect(read).toStrictEqual(requirements)
    expect(() => parseRequirements(read)).not.toThrow()
  })

  it("knows its own client where that is an address, and the realm where the client is called so", () => {
    const address = "https://shop.example.test"
    const requirements = { clientRoles: { [address]: ["editor"] } }
    for (const role of ["editor", `${address}:editor`])
      expect(requirementsFrom(role, { clientId: address })).toEqual(requirements)
    expect(requirementsFrom("realm:admin", { clientId: "realm" })).toEqual({ realmRoles: ["admin"] })
  })

  it("takes several roles, of which all are needed unless one is to be enough", () => {
    const roles = ["admin", "realm:sysadmin", "editor", "other-app:x"]
    const required = {
      realmRoles: ["sysadmin"],
      clientRoles: { "shop-api": ["admin", "editor"], "other-app": ["x"] },
    }
    expect(requirementsFrom(roles, { clientId })).toEqual(required)
    expect(requirementsFrom(roles, { clientId, any: true })).toEqual({ ...required, any: true })
  })

  it("needs no client for roles that name theirs", () => {
    expect(requirementsFrom("realm:admin")).toEqual({ realmRoles: ["admin"] })
    expect(requirementsFrom("other-app:x", {})).toEqual({ clientRoles: { "other-app": ["x"] } })
    expect(() => requirementsFrom("editor")).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })

  it.each([
    ...["", " ", ":", "realm:", ":editor", " realm:admin", "realm: admin", "realm:admin ", "other-app:", "\teditor"],
    ...[
      "edi\ntor",
      "realm:a\u0000",
      "realm :admin",
      undefined,
      null,
      5,
      true,
      {},
      [],
      [""],
      ["editor", 5],
      [["editor"]],
    ],
    ...[() => true],
  ])("refuses %j", role => {
    expect(() => requirementsFrom(role as never, { clientId })).toThrow(
      expect.objectContaining({ code: "config_invalid" }),
    )
  })

  it.each([{ clientId: "" }, { clientId: 5 }, { clientId, any: "yes" }, { clientID: clientId }, null, clientId])(
    "refuses the settings %j",
    settings => {
      expect(() => requirementsFrom("editor", settings as never)).toThrow(
        expect.objectContaining({ code: "config_invalid" }),
      )
    },
  )
})
