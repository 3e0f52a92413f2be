import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { type Answer, client, createRealmClient, type RealmClient } from "./realm-client.ts"

export function describeAdminRights(open: OpenRealm): void {
  describe("who may use the Admin API (keycloak-facts.md, Accounts)", () => {
    let realm: RealmClient
    const roles = ["none", "query-users", "view-users", "manage-users"] as const
    const ids: Record<string, string> = {}
    beforeAll(async () => {
      realm = await open("rights", file => {
        for (const role of roles) {
          const clientId = `rights-${role}`
          file.clients.push({ clientId, secret: "gate-secret", enabled: true, serviceAccountsEnabled: true })
          const clientRoles = role === "none" ? {} : { "realm-management": [role] }
          const username = `service-account-${clientId}`
          file.users.push({ username, enabled: true, serviceAccountClientId: clientId, clientRoles })
        }
      })
      ids.user = await realm.createUser("ada", { credentials: [] })
      ids.group = (await realm.admin("GET", "/groups")).body[0].id
    })

    async function as(role: string, method: string, path: string, body?: unknown): Promise<Answer> {
      const { access_token } = (await realm.token({ grant_type: "client_credentials" }, client(`rights-${role}`))).body
      return realm.admin(method, path.replace("{id}", ids.user ?? "").replace("{group}", ids.group ?? ""), body, {
        authorization: `Bearer ${access_token}`,
      })
    }

    it.each([
      ["POST", "/users", [403, 403, 403, 400], {}],
      ["PUT", "/users/{id}", [403, 403, 403, 204], {}],
      ["PUT", "/users/{id}/reset-password", [403, 403, 403, 400], {}],
      ["POST", "/users/{id}/logout", [403, 403, 403, 204], undefined],
      ["PUT", "/users/{id}/groups/{group}", [403, 403, 403, 204], undefined],
      ["POST", "/users/{id}/role-mappings/realm", [403, 403, 403, 204], []],
      ["DELETE", "/attack-detection/brute-force/users/{id}", [403, 403, 403, 204], undefined],
      ["GET", "/users", [403, 200, 200, 200], undefined],
      ["GET", "/users/count", [403, 200, 200, 200], undefined],
      ["GET", "/users/profile", [403, 200, 200, 200], undefined],
      ["GET", "", [403, 200, 200, 200], undefined],
      ["GET", "/users/{id}", [403, 403, 200, 200], undefined],
      ["GET", "/users/{id}/sessions", [403, 403, 200, 200], undefined],
      ["GET", "/users/{id}/credentials", [403, 403, 200, 200], undefined],
      ["GET", "/groups", [403, 403, 200, 200], undefined],
      ["GET", "/attack-detection/brute-force/users/{id}", [403, 403, 200, 200], undefined],
      ["GET", "/roles", [403, 403, 403, 403], undefined],
      ["GET", "/events", [403, 403, 403, 403], undefined],
      ["GET", "/admin-events", [403, 403, 403, 403], undefined],
      ["DELETE", "/users/{id}", [403, 403, 403, 204], undefined],
    ] as const)("answers %s %s by rights", async (method, path, statuses, body) => {
      for (const [index, role] of roles.entries()) {
        const answer = await as(role, method, path, body)
        expect([role, answer.status]).toEqual([role, statuses[index]])
        if (answer.status === 403) expect(answer.body).toEqual({ error: "HTTP 403 Forbidden" })
      }
    })

    it("shows nobody to a client that may only query", async () => {
      expect((await as("query-users", "GET", "/users?search=alice")).body).toEqual([])
      expect((await as("view-users", "GET", "/users?search=alice")).body).toMatchObject([{ access: { manage: false } }])
    })

    it.each([
      ["no token", ""],
      ["a token that is none", "Bearer junk"],
    ])("answers %s with 401 and no challenge", async (_name, authorization) => {
      const answer = await realm.admin("GET", "/users", undefined, { authorization })
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 401,
        body: { error: "HTTP 401 Unauthorized" },
      })
      expect(answer.headers.get("www-authenticate")).toBeNull()
    })

    it("has no other realm", async () => {
      const { access_token } = (await realm.token({ grant_type: "client_credentials" })).body
      const elsewhere = createRealmClient({ url: realm.url, realm: "nope" })
      const answer = await elsewhere
        .admin("GET", "/users", undefined, { authorization: `Bearer ${access_token}` })
        .catch(() => null)
      expect(answer === null || answer.status === 404).toBe(true)
    })

    it("tells what an administrator of users may know of the realm", async () => {
      expect((await realm.admin("GET", "")).body).toEqual({
        realm: realm.realm,
        registrationEmailAsUsername: false,
        bruteForceProtected: true,
        supportedLocales: [],
        organizationsEnabled: true,
      })
      const profile = (await realm.admin("GET", "/users/profile")).body
      expect(profile.unmanagedAttributePolicy).toBe("ADMIN_EDIT")
      expect(profile.attributes.map(({ name }: { name: string }) => name)).toEqual([
        "username",
        "email",
        "firstName",
        "lastName",
      ])
    })
  })
}
