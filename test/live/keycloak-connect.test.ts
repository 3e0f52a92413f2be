import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { clientId, startBoth } from "../support/both-applications.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realmName = "gate-keycloak-connect"
const password = "Passw0rd!"
const people = {
  nobody: { realmRoles: [] },
  special: { realmRoles: [], clientRoles: { [clientId]: ["special"] } },
  extra: { realmRoles: [], clientRoles: { "other-app": ["special"] } },
  admin: { realmRoles: ["admin"] },
}

let options: TestClient
let both: Awaited<ReturnType<typeof startBoth>>
beforeAll(async () => {
  options = await changedShop(realmName, realm => {
    realm.roles = {
      realm: [{ name: "admin" }],
      client: { [clientId]: [{ name: "editor" }, { name: "special" }], "other-app": [{ name: "special" }] },
    }
    // A front end whose tokens name no application but those of their owner's roles.
    realm.clients.push(
      { clientId: "other-app" },
      { clientId: "web", publicClient: true, directAccessGrantsEnabled: true },
    )
    for (const [username, roles] of Object.entries(people)) {
      const names = { firstName: "Ada", lastName: "Lovelace", email: `${username}@example.test`, emailVerified: true }
      const credentials = [{ type: "password", value: password }]
      realm.users.push({ username, enabled: true, ...names, ...roles, credentials })
    }
  })
  both = await startBoth(options)
})
afterAll(async () => {
  await both.close()
  await adminFetch("DELETE", `/realms/${realmName}`)
})

async function tokenOf(username: string, client: object = {}): Promise<{ authorization: string }> {
  const gate = createGate({ ...options, ...client })
  const { accessToken } = await gate.loginWithPassword({ username, password })
  await gate.close()
  return { authorization: `Bearer ${accessToken}` }
}

describe("the routes of keycloak-connect's documentation, with Keycloak's own tokens", () => {
  it.each([
    ["/", ["nobody", "special", "extra", "admin"]],
    ["/complain", ["nobody", "special", "extra", "admin"]],
    ["/special", ["special"]],
    ["/extra-special", ["extra"]],
    ["/admin", ["admin"]],
    ["/special/offers", ["special"]],
  ])("let the same people in at %s, before and after", async (path, allowed) => {
    for (const username of Object.keys(people)) {
      const { before, after } = await both.ask(path, await tokenOf(username))
      expect([username, before.status]).toEqual([username, allowed.includes(username) ? 200 : 403])
      expect([username, after]).toEqual([username, before])
    }
  })

  it("let people with a role of the application in without an audience mapper, and others no more", async () => {
    const web = { clientId: "web", clientSecret: undefined }
    const statuses = Object.keys(people).map(async username => {
      const { before, after } = await both.ask("/complain", await tokenOf(username, web))
      return [username, before.status, after.status]
    })
    expect(await Promise.all(statuses)).toEqual([
      ["nobody", 200, 401],
      ["special", 200, 200],
      ["extra", 200, 401],
      ["admin", 200, 401],
    ])
  })
})
