import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { type Answer, client, createRealmClient, password, type RealmClient } from "./realm-client.ts"

type Body = Record<string, unknown> | string

const problem = (field: string, errorMessage: string, ...params: unknown[]) => ({
  field,
  errorMessage,
  params: [field, ...params],
})
const unknownError = { error: "unknown_error", error_description: "For more on this error consult the server log." }
const notParsed = { error: "unknown_error", error_description: "Cannot parse the JSON" }
const letters = (count: number) => "x".repeat(count)

/** Refusals of a create, each with the whole answer. */
const refusals: readonly (readonly [name: string, body: Body, status: number, answer: unknown])[] = [
  ["no username", { enabled: true }, 400, { errorMessage: "User name is missing" }],
  ["an empty username", { username: "" }, 400, { errorMessage: "User name is missing" }],
  ["a blank username", { username: " " }, 400, { errorMessage: "User name is missing" }],
  ["a taken username", { username: "alice" }, 409, { errorMessage: "User exists with same username" }],
  ["a taken username in other letters", { username: "ALICE" }, 409, { errorMessage: "User exists with same username" }],
  [
    "a username that is somebody's e-mail",
    { username: "Alice@example.test" },
    409,
    { errorMessage: "User exists with same username" },
  ],
  [
    "a taken e-mail",
    { username: "newbie", email: "ALICE@example.test" },
    409,
    { errorMessage: "User exists with same email" },
  ],
  [
    "an e-mail that is somebody's username",
    { username: "newbie", email: "alice" },
    409,
    { errorMessage: "User exists with same email" },
  ],
  [
    "username and e-mail taken",
    { username: "alice", email: "alice@example.test" },
    409,
    { errorMessage: "User exists with same email" },
  ],
  ["a username of two letters", { username: "ab" }, 400, problem("username", "error-invalid-length", 3, 255)],
  ["a username of 256 letters", { username: letters(256) }, 400, problem("username", "error-invalid-length", 3, 255)],
  ...[..."<>&\"'% $!#?§,;:*~/\\|^=[]{}()`\t\r\n\0\u00a0\u2003\u0085"].map(
    letter =>
      [
        `a username with ${JSON.stringify(letter)}`,
        { username: `new${letter}bie` },
        400,
        problem("username", "error-username-invalid-character"),
      ] as const,
  ),
  [
    "a Cyrillic letter in a Latin username",
    { username: "аlicia" },
    400,
    problem("username", "error-username-invalid-character"),
  ],
  ["a Japanese username", { username: "日本語" }, 400, problem("username", "error-username-invalid-character")],
  ...[
    "not-an-email",
    "a@b..test",
    "a@-b.test",
    ".a@b.test",
    "a..b@b.test",
    "a b@c.test",
    "a@b c",
    "<a>@b.test",
    "a@b_c.test",
    " ",
    "a@b.test\r\nx",
    `${letters(65)}@example.test`,
  ].map(
    email =>
      [
        `the e-mail ${JSON.stringify(email).slice(0, 20)}`,
        { username: "newbie", email },
        400,
        problem("email", "error-invalid-email", email),
      ] as const,
  ),
  ...[...'<>&"$%!#?§;*~/\\|^=[]{}()\r\0'].map(
    letter =>
      [
        `a first name with ${JSON.stringify(letter)}`,
        { username: "newbie", firstName: `A${letter}b` },
        400,
        problem("firstName", "error-person-name-invalid-character"),
      ] as const,
  ),
  [
    "a last name of 256 letters",
    { username: "newbie", lastName: letters(256) },
    400,
    problem("lastName", "error-invalid-length-too-long", null, 255),
  ],
  [
    "several mistakes",
    { username: "new bie", email: "x", firstName: "<", lastName: letters(256) },
    400,
    {
      errors: [
        problem("email", "error-invalid-email", "x"),
        problem("firstName", "error-person-name-invalid-character"),
        problem("lastName", "error-invalid-length-too-long", null, 255),
        problem("username", "error-username-invalid-character"),
      ],
    },
  ],
  [
    "a password that the policy forbids",
    { username: "newbie", credentials: [{ type: "password", value: "short1" }] },
    400,
    { error: "invalidPasswordMinLengthMessage", error_description: "Invalid password: minimum length 8." },
  ],
  [
    "a password against two rules, of which one is told",
    { username: "newbie", credentials: [{ type: "password", value: "s" }] },
    400,
    { error: "invalidPasswordMinLengthMessage", error_description: "Invalid password: minimum length 8." },
  ],
  [
    "the username as password",
    { username: "newbie-2026", credentials: [{ type: "password", value: "newbie-2026" }] },
    400,
    {
      error: "invalidPasswordNotUsernameMessage",
      error_description: "Invalid password: must not be equal to the username.",
    },
  ],
  ["a credential without a value", { username: "newbie", credentials: [{ type: "password" }] }, 500, unknownError],
  ["a group that is not there", { username: "newbie", groups: ["/nope"] }, 500, unknownError],
  [
    "a member that is not known",
    '{"username":"newbie","nope":1}',
    400,
    { error: 'Invalid json representation for UserRepresentation. Unrecognized field "nope" at line 1 column 30.' },
  ],
  [
    "a text member that is not known, on a second line",
    '{"username":"newbie",\n  "nope": "value"}',
    400,
    { error: 'Invalid json representation for UserRepresentation. Unrecognized field "nope" at line 2 column 12.' },
  ],
  ["broken JSON", "{nope", 400, { error: "invalid_request", error_description: "Cannot parse the JSON" }],
  ["a list", "[]", 400, notParsed],
  ["a text", '"newbie"', 400, notParsed],
  ["an empty body", "", 500, unknownError],
  ["null", "null", 500, unknownError],
  ["a flag that is none", { username: "newbie", enabled: "yes" }, 400, notParsed],
  ["a time that is none", { username: "newbie", createdTimestamp: "yes" }, 400, notParsed],
  ["required actions that are no list", { username: "newbie", requiredActions: "UPDATE_PASSWORD" }, 400, notParsed],
  [
    "an attribute of 2,049 letters",
    { username: "newbie", attributes: { big: [letters(2049)] } },
    400,
    problem("big", "error-invalid-length", 0, 2048),
  ],
  [
    "an attribute that only Keycloak writes",
    { username: "newbie", attributes: { LDAP_ID: ["1"] } },
    400,
    problem("LDAP_ID", "updateReadOnlyAttributesRejectedMessage"),
  ],
]

/** Names and e-mails that look wrong and are taken. */
const accepted: readonly (readonly [name: string, body: Record<string, unknown>])[] = [
  ["a username with umlauts", { username: "ünïcødé" }],
  ["a username of emoji", { username: "😀😀😀" }],
  ["the username __proto__", { username: "__proto__" }],
  ["a full-width username", { username: "Ａｄａ" }],
  ["a username in the form of an e-mail", { username: "new+bie@home" }],
  ["a username like a service account's", { username: "service-account-nobody" }],
  ["a number for a username", { username: 12345 }],
  ["an empty e-mail", { username: "newbie", email: "" }],
  ["an e-mail without a dot", { username: "newbie", email: "a@b" }],
  ["an e-mail with umlauts", { username: "newbie", email: "ü@ü.test" }],
  ["a quoted e-mail", { username: "newbie", email: '"a b"@c.test' }],
  ["an e-mail at an address", { username: "newbie", email: "a@[127.0.0.1]" }],
  ["a local part of 64 letters", { username: "newbie", email: `${letters(64)}@example.test` }],
  ["names in other scripts", { username: "newbie", firstName: "Зоя", lastName: "O'Brien-Ñandú, 3rd" }],
  ["a blank name", { username: "newbie", firstName: " " }],
  ["a credential without a type", { username: "newbie", credentials: [{ value: password }] }],
  [
    "a password of 1,000 letters",
    { username: "newbie", credentials: [{ type: "password", value: `${letters(999)}1` }] },
  ],
  ["required actions that are not known", { username: "newbie", requiredActions: ["NOPE"] }],
  ["attributes of any kind", { username: "newbie", attributes: { list: ["1", "2"], text: "3" } }],
  ["attributes that are no map", { username: "newbie", attributes: [] }],
  [
    "ids, roles and the like, which are ignored",
    { username: "newbie", id: "mine", realmRoles: ["app-admin"], clientRoles: { "gate-api": ["editor"] } },
  ],
]

/** Problems in no particular order: Keycloak promises none. */
function sorted({ status, body }: Answer) {
  const byField = (a: { field: string }, b: { field: string }) => (a.field < b.field ? -1 : 1)
  return { status, body: Array.isArray(body.errors) ? { errors: [...body.errors].sort(byField) } : body }
}

const brief = (account: Record<string, unknown>) => ({ ...account, id: "…", createdTimestamp: 0 })

export function describeUsers(open: OpenRealm): void {
  describe("creating users (KEYCLOAK.md §2)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("users")
    })
    const idOf = (answer: Answer) => answer.headers.get("location")?.split("/").pop() ?? ""
    const read = async (id: string) => (await realm.admin("GET", `/users/${id}`)).body

    it.each(refusals)("refuses %s, and no account is left", async (_name, body, status, expected) => {
      expect(sorted(await realm.admin("POST", "/users", body))).toEqual({ status, body: expected })
      const found = await realm.admin("GET", "/users?username=newb&max=1")
      expect(found.body).toEqual([])
    })

    it.each(accepted)("takes %s", async (_name, body) => {
      const answer = await realm.admin("POST", "/users", { enabled: true, ...body })
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 201, body: "" })
      const id = idOf(answer)
      expect(answer.headers.get("location")).toBe(`${realm.url}/admin/realms/${realm.realm}/users/${id}`)
      const account = await read(id)
      expect(account.username).toBe(String(body.username).toLowerCase())
      expect((await realm.admin("DELETE", `/users/${id}`)).status).toBe(204)
    })

    it("refuses another content type", async () => {
      const answer = await realm.admin("POST", "/users", "{}", { "content-type": "text/plain" })
      const error = "The content-type header value did not match the value in @Consumes"
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 415, body: { error } })
    })

    it("keeps what it was given, in small letters, and answers all of it", async () => {
      const id = await realm.createUser("Ada.Whole", {
        email: "Ada.Whole@Example.test",
        emailVerified: true,
        createdTimestamp: 1_700_000_000_123,
        groups: ["/staff"],
        requiredActions: ["UPDATE_PROFILE", "NOPE"],
        attributes: { phone: ["1", "2"], text: "3" },
      })
      expect(await read(id)).toEqual({
        id,
        username: "ada.whole",
        firstName: "Test",
        lastName: "User",
        email: "ada.whole@example.test",
        emailVerified: true,
        attributes: { phone: ["1", "2"], text: ["3"] },
        enabled: true,
        createdTimestamp: 1_700_000_000_123,
        totp: false,
        disableableCredentialTypes: [],
        requiredActions: ["UPDATE_PROFILE"],
        notBefore: 0,
        access: {
          ...{ manageGroupMembership: true, resetPassword: true, view: true, mapRoles: true, impersonate: false },
          manage: true,
        },
      })
      const groups = (await realm.admin("GET", `/users/${id}/groups`)).body
      expect(groups).toEqual([{ id: expect.any(String), name: "staff", path: "/staff", subGroups: [] }])
      const roles = (await realm.admin("GET", `/users/${id}/role-mappings/realm`)).body
      expect(roles.map(({ name }: { name: string }) => name)).toEqual(["default-roles-gate-test"])
    })

    it("makes an account that is disabled unless it is told otherwise", async () => {
      const answer = await realm.admin("POST", "/users", { username: "dora-default" })
      expect(await read(idOf(answer))).toMatchObject({ enabled: false, emailVerified: false })
    })

    it("takes the last of two passwords, and a temporary one becomes a required action", async () => {
      const id = await realm.createUser("tom-twice", {
        credentials: [
          { type: "password", value: "First-2026" },
          { type: "password", value: "Second-2026", temporary: true },
        ],
      })
      expect((await read(id)).requiredActions).toEqual(["UPDATE_PASSWORD"])
      const first = await realm.login("tom-twice", { password: "First-2026" })
      const second = await realm.login("tom-twice", { password: "Second-2026" })
      expect(first.body.error_description).toBe("Invalid user credentials")
      expect(second.body.error_description).toBe("Account is not fully set up")
    })

    it("lets a blank name count as none at the login", async () => {
      await realm.createUser("bianca-blank", { firstName: " " })
      expect((await realm.login("bianca-blank")).body.error_description).toBe("Account is not fully set up")
    })

    it("gives an account to one of five that ask for it at once", async () => {
      const account = { username: "rita-race", enabled: true, email: "rita-race@example.test" }
      const answers = await Promise.all([1, 2, 3, 4, 5].map(() => realm.admin("POST", "/users", account)))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409])
    })
  })

  describe("changing users (KEYCLOAK.md §2)", () => {
    let realm: RealmClient
    let id: string
    beforeAll(async () => {
      realm = await open("changes", file => {
        file.bruteForceProtected = false
      })
      id = await realm.createUser("ada", { attributes: { plan: ["pro"] }, emailVerified: true })
      await realm.createUser("bob")
    })
    const put = (body: Body) => realm.admin("PUT", `/users/${id}`, body)
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
      expect(sorted(await put(body))).toEqual({ status, body: expected })
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

  describe("finding users (KEYCLOAK.md §2, §6)", () => {
    let realm: RealmClient
    const names = ["anna", "bert", "bertha", "carl"]
    beforeAll(async () => {
      realm = await open("finding", file => {
        file.users = file.users.filter(({ username }) => username.startsWith("service-account-"))
      })
      for (const [index, name] of names.entries()) {
        await realm.createUser(name, {
          firstName: name === "anna" ? "Carla" : "Test",
          createdTimestamp: Date.UTC(2020, 0, 1 + index, 12),
          emailVerified: name === "carl",
          enabled: name !== "bert",
          attributes: { plan: [name === "anna" ? "pro" : "free"] },
          credentials: [],
        })
      }
    })
    const found = async (query: string) =>
      (await realm.admin("GET", `/users?${query}`)).body.map(({ username }: { username: string }) => username)
    const count = async (query: string) => (await realm.admin("GET", `/users/count?${query}`)).body
    const services = ["service-account-gate-admin", "service-account-gate-app"]
    const day = (number: number) => Date.UTC(2020, 0, number)

    it.each([
      ["", names],
      ["username=bert&exact=true", ["bert"]],
      ["username=BERT&exact=true", ["bert"]],
      ["username=bert", ["bert", "bertha"]],
      ["username=ert", ["bert", "bertha"]],
      ["email=Anna@example.test&exact=true", ["anna"]],
      ["email=nobody@example.test&exact=true", []],
      ["firstName=carl", ["anna"]],
      ["search=carl", ["anna", "carl"]],
      ["search=arl", []],
      ["search=*arl*", ["anna", "carl"]],
      ["search=b*a", ["bert", "bertha"]],
      ["search=b*tha", ["bertha"]],
      ['search="bert"', ["bert"]],
      ["search=test bert", ["bert", "bertha"]],
      ["search=nobody", []],
      ["search=*", names],
      ["first=1&max=2", ["bert", "bertha"]],
      ["first=3&max=2", ["carl"]],
      ["first=9", []],
      ["max=0", []],
      ["max=-1", names],
      ["enabled=false", ["bert"]],
      ["emailVerified=true", ["carl"]],
      ["q=plan:pro", ["anna"]],
      ["q=plan:pro nope:1", []],
      [`createdAfter=${day(2)}&createdBefore=${day(4)}`, ["bert", "bertha"]],
      ["createdAfter=2020-01-02&createdBefore=2020-01-03", ["bert", "bertha"]],
      [`createdAfter=${day(4)}`, ["carl", ...services]],
      [`search=*&createdAfter=${day(4)}`, ["carl"]],
      ["username=service-account-gate-app&exact=true", [services[1]]],
      ["search=service-account", []],
      ["nonsense=1", names],
      ["exact=true", [...names, ...services]],
    ])("finds users by %s", async (query, expected) => {
      expect(await found(encodeURI(query))).toEqual(expected)
      const counted = query.replace(/(first|max)=[^&]*&?/g, "")
      const all = counted === query ? expected.length : names.length
      expect(await count(encodeURI(counted))).toBe(all)
    })

    it("finds users by their ids, several at once", async () => {
      const all = (await realm.admin("GET", "/users")).body
      const ids = all.slice(0, 2).map(({ id }: { id: string }) => id)
      expect(await found(`search=${encodeURIComponent(`id:${ids.join(" ")}`)}`)).toEqual(["anna", "bert"])
      expect(await found(`search=${ids[0]}`)).toEqual([])
      expect(await found("search=id:nope")).toEqual([])
    })

    it("answers two lengths of each, and a page of a hundred by default", async () => {
      const [anna] = (await realm.admin("GET", "/users?username=anna&briefRepresentation=true")).body
      const shared = {
        ...{ id: "…", username: "anna", firstName: "Carla", lastName: "User", email: "anna@example.test" },
        ...{ emailVerified: false, enabled: true, createdTimestamp: 0, access: { manage: true } },
      }
      expect(brief(anna)).toEqual(shared)
      const [whole] = (await realm.admin("GET", "/users?username=anna")).body
      expect(brief(whole)).toEqual({
        ...shared,
        ...{
          attributes: { plan: ["pro"] },
          totp: false,
          disableableCredentialTypes: [],
          requiredActions: [],
          notBefore: 0,
        },
      })
    })

    it.each([
      [
        "createdAfter=x",
        400,
        { error: "Invalid value for 'createdAfter', expected format is yyyy-MM-dd or an Epoch timestamp" },
      ],
      [
        "createdBefore=2020-01-01T00:00:00Z",
        400,
        { error: "Invalid value for 'createdBefore', expected format is yyyy-MM-dd or an Epoch timestamp" },
      ],
      ["first=x", 404, { error: "HTTP 404 Not Found" }],
    ])("refuses the query %s", async (query, status, body) => {
      const answer = await realm.admin("GET", `/users?${query}`)
      expect({ status: answer.status, body: answer.body }).toEqual({ status, body })
    })
  })

  describe("who may use the Admin API (KEYCLOAK.md §2)", () => {
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

  describe("a realm with e-mails as usernames (KEYCLOAK.md §2)", () => {
    it("takes the e-mail for the username, whatever username it is given", async () => {
      const realm = await open("email-as-username", file => {
        file.registrationEmailAsUsername = true
      })
      const id = await realm.createUser("ignored", { email: "Ada@example.test" })
      expect((await realm.admin("GET", `/users/${id}`)).body.username).toBe("ada@example.test")
      const required = problem("email", "error-user-attribute-required")
      for (const [body, expected] of [
        [{ username: "someone" }, required],
        [{}, { errorMessage: "User name is missing" }],
        [{ email: "" }, { errorMessage: "User name is missing" }],
      ] as const)
        expect(await realm.admin("POST", "/users", body)).toMatchObject({ status: 400, body: expected })
      const twice = await realm.admin("POST", "/users", { username: "other", email: "ada@example.test" })
      expect(twice.status).toBe(409)
      expect((await realm.admin("GET", "")).body.registrationEmailAsUsername).toBe(true)
      expect((await realm.admin("PUT", `/users/${id}`, { username: "other" })).status).toBe(204)
      expect(await realm.admin("PUT", `/users/${id}`, { attributes: {} })).toMatchObject({
        status: 400,
        body: required,
      })
      await realm.admin("PUT", `/users/${id}`, { email: "Augusta@example.test" })
      expect((await realm.admin("GET", `/users/${id}`)).body).toMatchObject({
        username: "augusta@example.test",
        email: "augusta@example.test",
      })
    })
  })

  describe("a realm with a user profile of its own (KEYCLOAK.md §2)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("profile", file => {
        const both = { view: ["admin", "user"], edit: ["admin", "user"] }
        const attributes = [
          { name: "username", validations: { length: { min: 3, max: 255 } }, permissions: both },
          { name: "email", validations: { email: {} }, required: { roles: ["user"] }, permissions: both },
          { name: "firstName", permissions: both },
          { name: "lastName", permissions: both },
          {
            name: "phone",
            required: { roles: ["user"] },
            validations: { pattern: { pattern: "\\+\\d{4,}", "error-message": "phone-wrong" } },
            permissions: both,
          },
          {
            name: "badge",
            required: { roles: ["admin"] },
            validations: { integer: { min: 1, max: 99 } },
            permissions: both,
          },
          { name: "size", validations: { options: { options: ["S", "L"] }, length: { max: 3 } }, permissions: both },
        ]
        const config = { "kc.user.profile.config": [JSON.stringify({ attributes })] }
        const component = { providerId: "declarative-user-profile", subComponents: {}, config }
        file.components = { "org.keycloak.userprofile.UserProfileProvider": [component] }
      })
    })
    const create = async (attributes: Record<string, string[]>) =>
      sorted(await realm.admin("POST", "/users", { username: "newbie", enabled: true, attributes }))

    it.each([
      ["a missing value that administrators must give", {}, problem("badge", "error-user-attribute-required")],
      ["a value against a pattern", { badge: ["7"], phone: ["nope"] }, problem("phone", "phone-wrong", "\\+\\d{4,}")],
      ["a number that is none", { badge: ["x"] }, problem("badge", "error-invalid-number")],
      ["a number out of its range", { badge: ["100"] }, problem("badge", "error-number-out-of-range", 1, 99)],
      ["a value that is no option", { badge: ["7"], size: ["M"] }, problem("size", "error-invalid-value")],
    ])("refuses %s", async (_name, attributes, body) => {
      expect(await create(attributes as Record<string, string[]>)).toEqual({ status: 400, body })
    })

    it("drops attributes that are not in it, and lets nobody in who lacks a required one", async () => {
      const attributes = { badge: ["7"], unknown: ["1"] }
      const id = await realm.createUser("paul-phoneless", { attributes })
      expect((await realm.admin("GET", `/users/${id}`)).body.attributes).toEqual({ badge: ["7"] })
      expect((await realm.login("paul-phoneless")).body.error_description).toBe("Account is not fully set up")
      await realm.admin("PUT", `/users/${id}`, {
        ...{ email: "paul@example.test", firstName: "Test", lastName: "User" },
        attributes: { badge: ["7"], phone: ["+49123"] },
      })
      expect((await realm.login("paul-phoneless")).status).toBe(200)
    })
  })
}
