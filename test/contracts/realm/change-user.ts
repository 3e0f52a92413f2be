import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { problem, sortedProblems } from "./profile-problems.ts"
import { password, type RealmClient } from "./realm-client.ts"

const notParsed = { error: "unknown_error", error_description: "Cannot parse the JSON" }

export function describeChangeUser(open: OpenRealm): void {
  describe("changing users (keycloak-facts.md, Accounts)", () => {
    let realm: RealmClient
    let id: string
    beforeAll(async () => {
      realm = await open("changes", file => {
        file.bruteForceProtected = false
      })
      id = await realm.createUser("ada", { attributes: { plan: ["pro"] }, emailVerified: true })
      await realm.createUser("bob")
    })
    const put = (body: Record<string, unknown> | string) => realm.admin("PUT", `/users/${id}`, body)
    const read = async () => (await realm.admin("GET", `/users/${id}`)).body
    const whole = { email: "ada@example.test", firstName: "Test", lastName: "User" }

    it.each([
      ["another username", { username: "ada2" }, 400, problem("username", "error-user-attribute-read-only")],
      ["an empty username", { username: "" }, 400, { errorMessage: "User name is missing" }],
      ["somebody's username", { username: "bob" }, 409, { errorMessage: "User exists with same username" }],
      ["somebody's e-mail", { email: "BOB@example.test" }, 409, { errorMessage: "User exists with same email" }],
      ["an e-mail that is none", { email: "x" }, 400, problem("email", "error-invalid-email", "x")],
      ["a member that is not known", { nope: 1 }, 400, { error: expect.stringContaining('Unrecognized field "nope"') }],
      ["broken JSON", "{", 400, { error: "invalid_request", error_description: "Cannot parse the JSON" }],
    ] as const)("refuses %s", async (_name, body, status, expected) => {
      expect(sortedProblems(await put(body))).toEqual({ status, body: expected })
      expect(await read()).toMatchObject({ username: "ada", ...whole })
    })

    it("keeps what a change does not mention, and takes null for that", async () => {
      expect(await put({ firstName: "Augusta", lastName: null })).toMatchObject({ status: 204, body: "" })
      expect(await read()).toMatchObject({
        ...whole,
        firstName: "Augusta",
        attributes: { plan: ["pro"] },
        emailVerified: true,
      })
      await put({})
      await put({ username: "ADA", attributes: null })
      expect(await read()).toMatchObject({ ...whole, firstName: "Augusta", attributes: { plan: ["pro"] } })
      await put({ ...whole, email: "New@example.test" })
      expect(await read()).toMatchObject({ email: "new@example.test", emailVerified: true })
      await put(whole)
    })

    it("erases names and e-mail where attributes are sent without them, and then nobody gets in", async () => {
      expect((await put({ attributes: { plan: ["free"] } })).status).toBe(204)
      const account = await read()
      expect(account).toMatchObject({ username: "ada", attributes: { plan: ["free"] } })
      for (const name of ["email", "firstName", "lastName"]) expect(account).not.toHaveProperty(name)
      expect((await realm.login("ada")).body.error_description).toBe("Account is not fully set up")
      await put({ ...whole, attributes: {} })
      expect(await read()).not.toHaveProperty("attributes")
      expect((await realm.login("ada")).status).toBe(200)
    })

    it("takes an empty text for removal", async () => {
      await put({ lastName: "" })
      expect(await read()).not.toHaveProperty("lastName")
      expect((await realm.login("ada")).body.error_description).toBe("Account is not fully set up")
      await put(whole)
    })

    it("ignores groups and the time of creation", async () => {
      const { createdTimestamp } = await read()
      await put({ groups: ["/staff"], createdTimestamp: 5 })
      expect((await realm.admin("GET", `/users/${id}/groups`)).body).toEqual([])
      expect((await read()).createdTimestamp).toBe(createdTimestamp)
    })

    it("disables, and sets required actions", async () => {
      await put({ enabled: false, requiredActions: ["UPDATE_PASSWORD", "NOPE"] })
      expect(await read()).toMatchObject({ enabled: false, requiredActions: ["UPDATE_PASSWORD"] })
      expect((await realm.login("ada")).body.error_description).toBe("Account disabled")
      await put({ enabled: true })
      expect((await realm.login("ada")).body.error_description).toBe("Account is not fully set up")
      await put({ requiredActions: [] })
      expect((await realm.login("ada")).status).toBe(200)
    })

    it("takes a new password in a change", async () => {
      await put({ credentials: [{ type: "password", value: "Other-2026" }] })
      expect((await realm.login("ada", { password: "Other-2026" })).status).toBe(200)
      expect((await realm.login("ada")).status).toBe(400)
      await put({ credentials: [{ type: "password", value: password }] })
    })

    it.each([
      ["none", {}, { error: "No password provided" }],
      ["an empty one", { value: "" }, { error: "Empty password not allowed" }],
      [
        "one that the policy forbids",
        { type: "password", value: "s" },
        { error: "invalidPasswordMinLengthMessage", error_description: "Invalid password: minimum length 8." },
      ],
      [
        "one beside a member that is not known",
        { value: "Other-2026", nope: 1 },
        { error: expect.stringContaining('CredentialRepresentation. Unrecognized field "nope"') },
      ],
    ])("refuses to reset a password to %s", async (_name, credential, body) => {
      const answer = await realm.admin("PUT", `/users/${id}/reset-password`, credential)
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 400, body })
    })

    it("resets a password, for now or for good, and leaves sessions alone", async () => {
      const session = (await realm.login("ada")).body
      const reset = (value: string, temporary: boolean) =>
        realm.admin("PUT", `/users/${id}/reset-password`, { type: "password", value, temporary })
      expect(await reset("Temporary-2026", true)).toMatchObject({ status: 204, body: "" })
      expect((await read()).requiredActions).toEqual(["UPDATE_PASSWORD"])
      expect((await realm.login("ada", { password: "Temporary-2026" })).body.error_description).toBe(
        "Account is not fully set up",
      )
      await reset(password, false)
      expect((await read()).requiredActions).toEqual([])
      expect((await realm.login("ada")).status).toBe(200)
      expect((await realm.introspect(session.access_token)).body.active).toBe(true)
      expect((await realm.refresh(session.refresh_token)).status).toBe(200)
    })

    it.each([
      ["GET", ""],
      ["PUT", ""],
      ["DELETE", ""],
      ["PUT", "/reset-password"],
      ["POST", "/logout"],
      ["GET", "/sessions"],
      ["GET", "/groups"],
      ["GET", "/role-mappings/realm"],
      ["PUT", "/execute-actions-email"],
    ])("answers %s of a user that does not exist with 404", async (method, path) => {
      const body = method === "PUT" ? (path.includes("email") ? [] : { value: "Other-2026" }) : undefined
      const sent = path === "" && method === "PUT" ? {} : body
      const answer = await realm.admin(method, `/users/00000000-0000-4000-8000-000000000000${path}`, sent)
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 404, body: { error: "User not found" } })
    })

    it("deletes a user once", async () => {
      const gone = await realm.createUser("gone")
      expect((await realm.admin("DELETE", `/users/${gone}`)).status).toBe(204)
      expect((await realm.admin("DELETE", `/users/${gone}`)).status).toBe(404)
      expect((await realm.admin("GET", `/users/${gone}`)).body).toEqual({ error: "User not found" })
    })

    it("gives realm roles by name and id", async () => {
      const path = `/users/${id}/role-mappings/realm`
      const names = async (which: string) =>
        (await realm.admin("GET", path + which)).body.map(({ name }: { name: string }) => name).sort()
      const available = (await realm.admin("GET", `${path}/available`)).body
      expect(await names("/available")).toEqual(["app-admin", "app-user", "offline_access", "uma_authorization"])
      const role = available.find(({ name }: { name: string }) => name === "app-user")
      expect(role).toEqual({
        ...{ id: expect.any(String), name: "app-user", composite: false, clientRole: false },
        containerId: expect.any(String),
      })
      const notFound = { status: 404, body: { error: "Role not found" } }
      expect(await realm.admin("POST", path, [{ name: "app-user" }])).toMatchObject(notFound)
      expect(await realm.admin("POST", path, [{ id: "nope", name: "app-user" }])).toMatchObject(notFound)
      expect(await realm.admin("POST", path, { name: "app-user" })).toMatchObject({ status: 400, body: notParsed })
      expect((await realm.admin("POST", path, [])).status).toBe(204)
      expect((await realm.admin("POST", path, [role])).status).toBe(204)
      expect(await names("")).toEqual(["app-user", "default-roles-gate-test"])
      expect(await names("/composite")).toEqual([
        "app-user",
        "default-roles-gate-test",
        "offline_access",
        "uma_authorization",
      ])
      expect((await realm.admin("DELETE", path, [role])).status).toBe(204)
      expect(await names("")).toEqual(["default-roles-gate-test"])
    })

    it("puts users into groups", async () => {
      const [group] = (await realm.admin("GET", "/groups?search=staff")).body
      expect(group).toEqual({
        ...{ id: expect.any(String), name: "staff", path: "/staff", subGroupCount: 0, subGroups: [] },
        access: { view: true, viewMembers: true, manageMembers: true, manage: true, manageMembership: true },
      })
      const path = `/users/${id}/groups`
      expect((await realm.admin("PUT", `${path}/${group.id}`)).status).toBe(204)
      expect((await realm.admin("GET", path)).body).toHaveLength(1)
      expect((await realm.admin("GET", `/groups/${group.id}/members?max=1`)).body).toMatchObject([{ username: "ada" }])
      expect((await realm.admin("DELETE", `${path}/${group.id}`)).status).toBe(204)
      expect((await realm.admin("GET", path)).body).toEqual([])
      expect(await realm.admin("PUT", `${path}/nope`)).toMatchObject({
        status: 404,
        body: { error: "Group not found" },
      })
      expect((await realm.admin("GET", `/groups/${group.id}`)).body).toMatchObject({ realmRoles: [], attributes: {} })
      expect(await realm.admin("GET", "/groups/nope")).toMatchObject({ status: 404 })
      expect((await realm.admin("GET", "/group-by-path/staff")).body).toMatchObject({ id: group.id, path: "/staff" })
      expect(await realm.admin("GET", "/group-by-path/nope")).toMatchObject({
        status: 404,
        body: { error: "Group path does not exist" },
      })
    })

    it.each([
      ["a redirect without a client", "redirect_uri=https://x.example.test", ["UPDATE_PASSWORD"], "Client id missing"],
      ["an unknown client", "client_id=nope", ["UPDATE_PASSWORD"], "Client doesn't exist"],
      [
        "a redirect that the client does not allow",
        "client_id=gate-app&redirect_uri=https://x.example.test",
        [],
        "Invalid redirect uri.",
      ],
      ["an unknown action", "", ["NOPE"], "Provided invalid required actions"],
    ])("sends no mail for %s", async (_name, query, actions, errorMessage) => {
      const answer = await realm.admin("PUT", `/users/${id}/execute-actions-email?${query}`, actions)
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 400, body: { errorMessage } })
    })

    it("sends no mail without a mail server, to a disabled user, or to one without an address", async () => {
      const mail = (user: string, kind = "execute-actions-email") =>
        realm.admin("PUT", `/users/${user}/${kind}`, kind === "execute-actions-email" ? ["UPDATE_PASSWORD"] : undefined)
      expect(await mail(id)).toMatchObject({ status: 500 })
      expect((await mail(id)).body.errorMessage).toMatch(/^Failed to send execute actions email: /)
      const failed = { status: 500, body: { errorMessage: "Failed to send verify email" } }
      expect(await mail(id, "send-verify-email")).toMatchObject(failed)
      const disabled = await realm.createUser("dan-disabled", { enabled: false })
      expect(await mail(disabled)).toMatchObject({ status: 400, body: { errorMessage: "User is disabled" } })
      const nowhere = await realm.createUser("nils-nowhere", { email: null })
      expect(await mail(nowhere)).toMatchObject({ status: 400, body: { errorMessage: "User email missing" } })
    })
  })
}
