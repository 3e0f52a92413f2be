import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { problem, sortedProblems } from "./profile-problems.ts"
import { type Answer, password, type RealmClient } from "./realm-client.ts"

type Body = Record<string, unknown> | string

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

export function describeCreateUser(open: OpenRealm): void {
  describe("creating users (keycloak-facts.md, Accounts)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("users")
    })
    const idOf = (answer: Answer) => answer.headers.get("location")?.split("/").pop() ?? ""
    const read = async (id: string) => (await realm.admin("GET", `/users/${id}`)).body

    it.each(refusals)("refuses %s, and no account is left", async (_name, body, status, expected) => {
      expect(sortedProblems(await realm.admin("POST", "/users", body))).toEqual({ status, body: expected })
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
      // The right one first: brute-force protection may refuse whoever comes soon after a wrong one.
      const second = await realm.login("tom-twice", { password: "Second-2026" })
      const first = await realm.login("tom-twice", { password: "First-2026" })
      expect(second.body.error_description).toBe("Account is not fully set up")
      expect(first.body.error_description).toBe("Invalid user credentials")
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

  describe("a realm with e-mails as usernames (keycloak-facts.md, Accounts)", () => {
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

  describe("a realm with a user profile of its own (keycloak-facts.md, Accounts)", () => {
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
      sortedProblems(await realm.admin("POST", "/users", { username: "newbie", enabled: true, attributes }))

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
