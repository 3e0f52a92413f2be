import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import {
  createGate,
  type Gate,
  type GateEvent,
  type GateOptions,
  importUsers,
  type LegacyLogin,
  type MemoryUser,
  type Person,
  syncUsers,
} from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { type NewTestUser, startTestRealm, type TestRealm, type TestUser } from "../../src/testing/index.js"
import { createOldTable, type OldPerson } from "../support/old-table.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

const { password } = secrets
const clientSecret = secrets.clientSecrets[0]

let realm: TestRealm
// One for all: the mark of an account is made of the row's key.
const table = createOldTable()
let events: GateEvent[]
let gates: Gate<MemoryUser>[]

beforeAll(async () => {
  const file = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret })
  const ofClients = [withRoles("shop-looker", ["query-users"]), withRoles("shop-nobody", [])]
  realm = await startTestRealm({
    realm: {
      ...file,
      bruteForceProtected: false,
      clients: [file.clients, ofClients.map(({ client }) => client)].flat(),
      users: [file.users, ofClients.map(({ account }) => account)].flat(),
    },
    clientId: "shop-api",
  })
})
afterAll(() => realm.stop())
beforeEach(() => {
  table.verify.mockClear()
  events = []
  gates = []
  realm.forgetRequests()
})
afterEach(async () => {
  expect(secretsIn(events)).toEqual([])
  await Promise.all(gates.map(gate => gate.close()))
})

function openGate(
  legacyLogin: Partial<LegacyLogin> = {},
  { userStore = table.store, ...more }: Partial<GateOptions<MemoryUser>> = {},
): Gate<MemoryUser> {
  const gate = createGate<MemoryUser>({
    ...realm.gateOptions,
    userStore,
    legacyLogin: { verify: table.verify, ...legacyLogin },
    timeoutMs: 60_000,
    onEvent: event => void events.push(event),
    ...more,
  })
  gates.push(gate)
  return gate
}

const login = ({ username }: Pick<OldPerson, "username">, more: object = {}) => ({ username, password, ...more })
const attempts = () => events.filter(event => event.type === "legacy_login")
const accountOf = ({ username }: Pick<OldPerson, "username">): TestUser | undefined =>
  realm.users().find(account => account.username === username.toLowerCase())
const isUnlinked = async ({ username, email }: OldPerson) =>
  (await table.store.findUnlinked({ username, email } as never, { by: "username" })).length === 1
async function rowAfter(gate: Gate<MemoryUser>, accessToken: string): Promise<MemoryUser | null> {
  return (await gate.verifyBearer(`Bearer ${accessToken}`, {})).user
}

describe("legacyLogin, for somebody whom Keycloak does not know,", () => {
  it("makes the account with the old password, and the old row is the person's", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    const session = await gate.loginWithPassword(login(ada))
    expect(await rowAfter(gate, session.accessToken)).toMatchObject({
      username: ada.username,
      email: ada.email,
      extra: { oldId: ada.oldId },
    })
    expect(accountOf(ada)).toMatchObject({ enabled: true, requiredActions: [], firstName: "Old", emailVerified: false })
    const [[credentials, { signal }] = [undefined, { signal: null }]] = table.verify.mock.calls
    expect(credentials).toEqual({ username: ada.username, password })
    expect(signal).toMatchObject({ aborted: false })
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "moved", subject: accountOf(ada)?.id, key: ada.key }])
  })

  it("asks once: from then on the password is Keycloak's alone", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    await gate.loginWithPassword(login(ada))
    await gate.loginWithPassword(login(ada))
    await gate.loginWithPassword({ username: ada.email.toUpperCase(), password })
    expect((await refusalOf(gate.loginWithPassword(login(ada, { password: "wrong" })))).code).toBe(
      "invalid_credentials",
    )
    expect(table.verify).toHaveBeenCalledTimes(1)
  })

  it("takes everything of the person that an import takes", async () => {
    const gate = openGate()
    const ada = table.addPerson({ emailVerified: true, groups: ["editors"] })
    await gate.loginWithPassword(login(ada))
    expect(accountOf(ada)).toMatchObject({ emailVerified: true, groups: ["/editors"] })
  })

  it("keeps scope and one-time code of the login", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    const session = await gate.loginWithPassword(login(ada, { scope: "openid offline_access", otp: "123456" }))
    expect(session.idToken).toEqual(expect.any(String))
    expect(session.refreshExpiresInSeconds).toBe(0)
    const grants = realm.requests.filter(({ body }) => (body as { grant_type?: string })?.grant_type === "password")
    expect(grants).toHaveLength(2)
    for (const { body } of grants) expect(body).toMatchObject({ scope: "openid offline_access", otp: "…" })
  })

  it("logs in by whatever the application takes for a name, again and again", async () => {
    const ada = table.addPerson()
    const { password: _, oldId: __, ...person } = ada
    const byNumber = vi.fn(async ({ username }: { username: string }) => (username === "№ 4711" ? person : null))
    const gate = openGate({ verify: byNumber })
    for (let logins = 0; logins < 2; logins++) {
      const session = await gate.loginWithPassword({ username: "№ 4711", password })
      expect(await rowAfter(gate, session.accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
    }
    expect(attempts()).toMatchObject([{ outcome: "moved" }, { outcome: "known" }])
    // The old password is no password any more once there is a new one.
    await gate.setPassword(accountOf(ada)?.id ?? "", "Another-one-2026")
    const error = await refusalOf(gate.loginWithPassword({ username: "№ 4711", password }))
    expect(error.code).toBe("invalid_credentials")
  })

  it("makes one account of twenty first logins at once, with the old row", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    const sessions = await Promise.all(Array.from({ length: 20 }, () => gate.loginWithPassword(login(ada))))
    const rows = await Promise.all(sessions.map(({ accessToken }) => rowAfter(gate, accessToken)))
    expect(new Set(rows.map(row => row?.subject)).size).toBe(1)
    expect(rows[0]).toMatchObject({ extra: { oldId: ada.oldId } })
    expect(realm.users().filter(({ email }) => email === ada.email)).toHaveLength(1)
    expect(attempts().filter(({ outcome }) => outcome === "moved")).toHaveLength(1)
    expect(new Set(sessions.map(({ refreshToken }) => refreshToken)).size).toBe(20)
  })

  it("makes one account of first logins in several processes at once, with the old row", async () => {
    const processes = [openGate(), openGate(), openGate()]
    const ada = table.addPerson()
    const logins = [...processes, ...processes].map(gate => gate.loginWithPassword(login(ada)))
    const sessions = await Promise.all(logins)
    const rows = await Promise.all(
      sessions.map(({ accessToken }, index) => rowAfter(processes[index % 3] ?? openGate(), accessToken)),
    )
    expect(new Set(rows.map(row => row?.subject)).size).toBe(1)
    expect(rows[0]).toMatchObject({ extra: { oldId: ada.oldId } })
    expect(realm.users().filter(({ email }) => email === ada.email)).toHaveLength(1)
  })

  it("moves whoever lacks what the realm requires, and refuses them until Keycloak has it", async () => {
    const revealing = openGate({}, { revealAccountState: true })
    const ada = table.addPerson({ firstName: "" })
    expect((await refusalOf(revealing.loginWithPassword(login(ada)))).code).toBe("account_setup_required")
    expect((await refusalOf(openGate().loginWithPassword(login(ada)))).code).toBe("invalid_credentials")
    await revealing.updateAccount(accountOf(ada)?.id ?? "", { firstName: "Ada" })
    const { accessToken } = await revealing.loginWithPassword(login(ada))
    expect(await rowAfter(revealing, accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
    expect(table.verify).toHaveBeenCalledTimes(1)
  })

  it("lets a person change the old password at once", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    const newPassword = "Another-one-2026"
    await gate.changePassword({ username: ada.username, currentPassword: password, newPassword })
    const { accessToken } = await gate.loginWithPassword(login(ada, { password: newPassword }))
    expect(await rowAfter(gate, accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
    expect(table.verify).toHaveBeenCalledTimes(1)
  })

  it("finishes whom an import has begun, also where `syncUsers` has met the closed account", async () => {
    const ada = table.addPerson()
    const linkUser = vi.fn(table.store.linkUser).mockRejectedValueOnce(new Error("disk full"))
    const gate = openGate({}, { userStore: { ...table.store, linkUser } })
    const { password: _password, oldId: _oldId, ...person } = ada
    await expect(importUsers(gate, [person])).rejects.toThrow("disk full")
    await syncUsers(gate)
    const { accessToken } = await gate.loginWithPassword(login(ada))
    expect(await rowAfter(gate, accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
    expect(accountOf(ada)).toMatchObject({ enabled: true, requiredActions: [] })
  })

  it("lets nobody in whose row says that they are disabled, and makes nobody begun of them", async () => {
    const gate = openGate({}, { revealAccountState: true })
    const ada = table.addPerson({ enabled: false })
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("account_disabled")
    expect(accountOf(ada)).toMatchObject({ enabled: false, requiredActions: [] })
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("account_disabled")
    expect(table.verify).toHaveBeenCalledTimes(1)
  })
})

describe("legacyLogin asks nobody", () => {
  it.each<[string, (ada: OldPerson) => { username: string; password: string } | null]>([
    ["of an account with a wrong password", () => null],
    ["of an account by its e-mail", ({ email }) => ({ username: email, password: "wrong" })],
    ["of an account in other letters", ({ username }) => ({ username: username.toUpperCase(), password: "wrong" })],
  ])("%s", async (_, credentials) => {
    const gate = openGate()
    const ada = table.addPerson()
    realm.addUser({ username: ada.username, email: ada.email, password: "Another-one-2026" })
    expect((await refusalOf(gate.loginWithPassword(credentials(ada) ?? login(ada)))).code).toBe("invalid_credentials")
    expect(table.verify).not.toHaveBeenCalled()
    expect(attempts()).toEqual([])
  })

  it.each<[string, Partial<NewTestUser>, string]>([
    ["a disabled account, right password", { enabled: false }, password],
    ["a disabled account, wrong password", { enabled: false }, "wrong"],
    ["an unfinished account", { requiredActions: ["UPDATE_PASSWORD"] }, password],
    ["an account that an administrator has closed as this library does", closed(), password],
    ["an account without a password", { password: null }, password],
  ])("of %s", async (_, more, typed) => {
    const gate = openGate()
    const ada = table.addPerson()
    realm.addUser({ username: ada.username, email: ada.email, password, ...more })
    const error = await refusalOf(gate.loginWithPassword(login(ada, { password: typed })))
    expect(error.code).toBe("invalid_credentials")
    expect(table.verify).not.toHaveBeenCalled()
    expect(accountOf(ada)).toMatchObject({ enabled: more.enabled ?? true })
  })

  it("of a service account", async () => {
    const gate = openGate()
    await refusalOf(gate.loginWithPassword({ username: "Service-Account-shop-api", password }))
    expect(table.verify).not.toHaveBeenCalled()
  })

  it("where the request is malformed, and looks up no empty name", async () => {
    const gate = openGate()
    for (const username of ["", " ", "\u3000", "a\0", "a".repeat(256)])
      expect((await refusalOf(gate.loginWithPassword({ username, password }))).code).toBe("invalid_request")
    expect(realm.requests).toEqual([])
    expect(table.verify).not.toHaveBeenCalled()
  })

  it.each(["shop-nobody", "shop-looker"])(
    "where the service account may not see accounts, also where Keycloak shows it none instead: %s",
    async clientId => {
      const gate = openGate({}, { admin: { clientId, clientSecret } })
      const error = await refusalOf(gate.loginWithPassword(login(table.addPerson())))
      expect(error.code).toBe("keycloak_refused_us")
      expect(error.message).toContain("manage-users")
      expect(table.verify).not.toHaveBeenCalled()
    },
  )
})

describe("legacyLogin asks the application", () => {
  it.each(["*", "%", "old*", "nobody'--", "İstanbul", "a@b@c", "constructor", "№"])(
    "by the name as typed, which stands for nothing else: %s",
    async username => {
      const gate = openGate()
      realm.addUser({ username: `somebody-${realm.users().length}` })
      realm.forgetRequests()
      expect((await refusalOf(gate.loginWithPassword({ username, password }))).code).toBe("invalid_credentials")
      expect(table.verify).toHaveBeenCalledExactlyOnceWith({ username, password }, expect.anything())
      const lookUps = realm.requests.filter(({ method, path }) => method === "GET" && path.endsWith("/users"))
      expect(lookUps.map(({ query }) => query)).toEqual([
        { username, exact: "true", max: "10" },
        { email: username, exact: "true", max: "10" },
      ])
    },
  )

  it.each([
    ["a blank before it", (username: string) => ` ${username}`],
    ["a blank behind it", (username: string) => `${username} `],
    ["full-width letters", (username: string) => username.replace("old", "ｏｌｄ")],
  ])("about %s, which Keycloak does not take for the name of an account", async (_, spelled) => {
    const gate = openGate()
    const ada = table.addPerson()
    realm.addUser({ username: ada.username, email: ada.email, password: "Another-one-2026" })
    await refusalOf(gate.loginWithPassword({ username: spelled(ada.username), password }))
    expect(table.verify).toHaveBeenCalledTimes(1)
    // An application that reads names loosely: the account stays whose it is.
    const { password: _password, oldId: _oldId, ...person } = ada
    const loose = openGate({ verify: async () => person })
    const error = await refusalOf(loose.loginWithPassword({ username: spelled(ada.username), password }))
    expect(error).toMatchObject({ code: "user_exists", field: "username" })
    expect(await isUnlinked(ada)).toBe(true)
  })

  it("and makes no difference between a wrong password and an unknown name", async () => {
    const gate = openGate({}, { revealAccountState: true })
    const ada = table.addPerson()
    const [wrong, unknown] = await Promise.all(
      [login(ada, { password: "wrong" }), { username: "nobody-here", password }].map(async credentials => {
        const error = await refusalOf(gate.loginWithPassword(credentials))
        return { message: error.message, refusal: gate.refusalFor(error) }
      }),
    )
    expect(wrong).toMatchObject({ refusal: { status: 401, body: { error: "invalid_credentials" } } })
    expect(wrong).toEqual(unknown)
    expect(attempts()).toEqual(Array(2).fill({ type: "legacy_login", outcome: "unknown" }))
    expect(accountOf(ada)).toBeUndefined()
  })

  it("not about what its limit refuses, which is a wrong password to the caller", async () => {
    const limit = vi.fn(async () => false)
    const gate = openGate({ limit })
    const ada = table.addPerson()
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(gate.refusalFor(error)).toMatchObject({ status: 401, body: { error: "invalid_credentials" } })
    expect(limit).toHaveBeenCalledExactlyOnceWith({ username: ada.username })
    expect(table.verify).not.toHaveBeenCalled()
    expect(accountOf(ada)).toBeUndefined()
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "limited" }])
  })

  it("about what its limit allows, and asks the limit for no account that Keycloak knows", async () => {
    const limit = vi.fn(() => true)
    const gate = openGate({ limit })
    const ada = table.addPerson()
    await gate.loginWithPassword(login(ada))
    await refusalOf(gate.loginWithPassword(login(ada, { password: "wrong" })))
    expect(limit).toHaveBeenCalledTimes(1)
  })

  it.each([undefined, null, 1, "false", {}])("not where its limit answers %s, a mistake of its own", async answer => {
    const gate = openGate({ limit: (() => answer) as never })
    expect((await refusalOf(gate.loginWithPassword(login(table.addPerson())))).code).toBe("config_invalid")
    expect(table.verify).not.toHaveBeenCalled()
  })

  it.each(["limit", "verify"] as const)("and hands through what %s throws, at once or later", async name => {
    const failure = new Error("the old table is gone")
    const throwing = [() => Promise.reject(failure), () => thrown(failure)]
    for (const fail of throwing) {
      const gate = openGate({ [name]: fail })
      const ada = table.addPerson()
      await expect(gate.loginWithPassword(login(ada))).rejects.toBe(failure)
      expect(accountOf(ada)).toBeUndefined()
    }
    expect(attempts()).toEqual(Array(2).fill({ type: "legacy_login", outcome: "threw", key: null }))
  })

  it.each(["limit", "verify"] as const)("and waits for %s no longer than its time", async name => {
    let given: AbortSignal | undefined
    const hanging = (_: unknown, how?: { readonly signal: AbortSignal }) => {
      given = how?.signal
      return new Promise<never>(() => undefined)
    }
    const gate = openGate({ [name]: hanging, timeoutMs: 30 })
    const ada = table.addPerson()
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(error).toMatchObject({ code: "store_unavailable", status: 503 })
    expect(error.message).toContain(`legacyLogin.${name}`)
    expect(given?.aborted).toBe(name === "verify" ? true : undefined)
    expect(given?.reason).toBe(name === "verify" ? error : undefined)
    expect(accountOf(ada)).toBeUndefined()
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "failed", key: null, error }])
  })

  it.each(["limit", "verify"] as const)("and close() ends its wait for %s", async name => {
    const asked = deferred<AbortSignal | undefined>()
    const hanging = (_: unknown, how?: { readonly signal: AbortSignal }) => {
      asked.resolve(how?.signal)
      return new Promise<never>(() => undefined)
    }
    const gate = openGate({ [name]: hanging })
    const refusal = refusalOf(gate.loginWithPassword(login(table.addPerson())))
    const signal = await asked.promise
    await gate.close()
    expect((await refusal).code).toBe("closed")
    expect(signal?.aborted).toBe(name === "verify" ? true : undefined)
  })

  it("and takes no answer that comes after its time", async () => {
    const answer = deferred<Person>()
    const gate = openGate({ verify: () => answer.promise, timeoutMs: 20 })
    const ada = table.addPerson()
    await refusalOf(gate.loginWithPassword(login(ada)))
    answer.resolve({ key: ada.key, username: ada.username })
    await answer.promise
    expect(accountOf(ada)).toBeUndefined()
  })

  it.each<[string, unknown]>([
    ["person", undefined],
    ["person", false],
    ["person", true],
    ["person", "ada"],
    ["person", []],
    ["key", {}],
    ["key", { username: "ada" }],
    ["key", { key: null, username: "ada" }],
    ["key", { key: "", username: "ada" }],
    ["key", { key: 1.5, username: "ada" }],
    ["key", { key: Number.NaN, username: "ada" }],
    ["username", { key: 1 }],
    ["username", { key: 1, username: 5 }],
    ["username", { key: 1, username: "a\n" }],
    ["username", { key: 1, username: "service-account-shop-api" }],
    ["email", { key: 1, username: "ada", email: "a".repeat(256) }],
    ["emailVerified", { key: 1, username: "ada", emailVerified: "yes" }],
    ["enabled", { key: 1, username: "ada", enabled: 1 }],
    ["groups", { key: 1, username: "ada", groups: "/editors" }],
    ["attributes", { key: 1, username: "ada", attributes: [] }],
    ["password", { key: 1, username: "ada", password: "pbkdf2_sha256$1$a$b" }],
    ["id", { key: 1, username: "ada", id: 1 }],
  ])("and says what it can't use of a person: %s", async (field, person) => {
    const gate = openGate({ verify: (async () => person) as never })
    const error = await refusalOf(gate.loginWithPassword({ username: "somebody-old", password }))
    expect(error).toMatchObject({ code: "config_invalid", status: 500 })
    expect(error.fields?.map(one => one.field)).toContain(field)
    expect(gate.refusalFor(error)?.body.fields).toBeUndefined()
    expect(realm.requests.filter(({ method, path }) => method === "POST" && path.endsWith("/users"))).toEqual([])
  })
})

describe("legacyLogin, where the person can't move,", () => {
  const nothingIsLeft = async (ada: OldPerson) => {
    expect(accountOf(ada)).toBeUndefined()
    expect(await isUnlinked(ada)).toBe(true)
  }

  it("tells whoever has the right old password that the realm's rules refuse it, and leaves nothing", async () => {
    const gate = openGate()
    const ada = table.addPerson({ password: "short" })
    const error = await refusalOf(gate.loginWithPassword(login(ada, { password: "short" })))
    expect(error).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "password", rule: "invalidPasswordMinLengthMessage", params: [] }],
    })
    await nothingIsLeft(ada)
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "failed", key: ada.key, error }])
    table.setPassword(ada, password)
    const { accessToken } = await gate.loginWithPassword(login(ada))
    expect(await rowAfter(gate, accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
  })

  it("tells so to all of several processes that move the person at once", async () => {
    const ada = table.addPerson({ password: "short" })
    const logins = Array.from({ length: 3 }, () => openGate().loginWithPassword(login(ada, { password: "short" })))
    const codes = await Promise.all(logins.map(async one => (await refusalOf(one)).code))
    expect(new Set(codes)).toEqual(new Set(["account_rejected"]))
    await nothingIsLeft(ada)
  })

  it("names an attribute that Keycloak would drop, before anything is made", async () => {
    const gate = openGate()
    const ada = table.addPerson({ attributes: { plan: "gold" } })
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(error.code).toBe("keycloak_refused_us")
    expect(error.message).toContain('"plan"')
    await nothingIsLeft(ada)
  })

  it.each([
    ["username", { username: "ol" }],
    ["email", { email: "no-address" }],
    ["firstName", { firstName: "<b>" }],
  ])("names a %s that the realm's profile refuses, and leaves nothing", async (field, wrong) => {
    const gate = openGate()
    const ada = table.addPerson(wrong)
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(error).toMatchObject({ code: "account_rejected", fields: [{ field }] })
    await nothingIsLeft(ada)
  })

  it("names a group that is not there, before anything is made", async () => {
    const gate = openGate()
    const ada = table.addPerson({ groups: ["/editors", "/nowhere"] })
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(error.code).toBe("keycloak_refused_us")
    expect(error.message).toContain('"/nowhere"')
    await nothingIsLeft(ada)
  })

  it("gives no name that is somebody else's: neither the username of a stranger, nor an e-mail", async () => {
    const gate = openGate()
    const [ada, eve] = [table.addPerson(), table.addPerson()]
    const stranger = await gate.registerUser({
      username: ada.username,
      email: `stranger-of-${ada.username}@example.test`,
      firstName: "A",
      lastName: "Stranger",
      password: "Stranger-2026",
    })
    realm.addUser({ username: `stranger-of-${eve.username}`, email: eve.email })
    // The stranger has a row of his own, and Keycloak knows the name.
    expect(stranger.user).toMatchObject({ extra: null })
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("invalid_credentials")
    expect(table.verify).not.toHaveBeenCalled()

    const byEmail = await refusalOf(gate.loginWithPassword({ username: ada.email, password }))
    expect(byEmail).toMatchObject({ code: "user_exists", field: "username" })
    expect(gate.refusalFor(byEmail)).toMatchObject({ status: 409, body: { field: "username" } })
    const byName = await refusalOf(gate.loginWithPassword(login(eve)))
    expect(byName).toMatchObject({ code: "user_exists", field: "email" })
    expect(attempts()).toEqual([
      { type: "legacy_login", outcome: "failed", key: ada.key, error: byEmail },
      { type: "legacy_login", outcome: "failed", key: eve.key, error: byName },
    ])
    for (const person of [ada, eve]) expect(await isUnlinked(person)).toBe(true)
    expect(accountOf(ada)).toMatchObject({ id: stranger.subject, email: stranger.email })
    const session = await gate.loginWithPassword({ username: ada.username, password: "Stranger-2026" })
    expect(await rowAfter(gate, session.accessToken)).toMatchObject({ extra: null })
  })

  it("keeps two people apart whose names Keycloak folds together", async () => {
    const gate = openGate()
    const ada = table.addPerson()
    const folded = { username: ada.username.toUpperCase(), email: `other-${ada.email}` }
    const other = table.addPerson({ ...folded, password: "Another-one-2026" })
    await gate.loginWithPassword(login(ada))
    const credentials = { username: other.email, password: "Another-one-2026" }
    const error = await refusalOf(gate.loginWithPassword(credentials))
    expect(error).toMatchObject({ code: "user_exists", field: "username" })
  })

  it.each<[string, (ada: OldPerson) => OldPerson["key"]]>([
    ["has a subject meanwhile", ({ key }) => key],
    ["is not there", () => 4711],
  ])("leaves nothing where the row %s", async (_, keyOf) => {
    const ada = table.addPerson()
    const key = keyOf(ada)
    const { password: _password, oldId: _oldId, ...person } = ada
    const profile = { issuer: realm.issuer, subject: `other-${ada.username}`, ...noNames }
    if (key === ada.key) await table.store.linkUser(key, profile)
    const gate = openGate({ verify: async () => ({ ...person, key }) })
    const error = await refusalOf(gate.loginWithPassword(login(ada)))
    expect(error).toMatchObject({ code: "user_exists", field: null })
    expect(accountOf(ada)).toBeUndefined()
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "failed", key, error }])
  })

  it("hands through what the store throws, with a closed door, and the next login finishes", async () => {
    const failure = new Error("disk full")
    const ada = table.addPerson()
    const linkUser = vi.fn(table.store.linkUser).mockRejectedValueOnce(failure)
    const gate = openGate({}, { userStore: { ...table.store, linkUser } })
    await expect(gate.loginWithPassword(login(ada))).rejects.toBe(failure)
    const begun = accountOf(ada)
    expect(begun).toMatchObject(closed())
    expect(attempts()).toEqual([{ type: "legacy_login", outcome: "threw", key: ada.key }])
    // A wrong password opens nothing, and the account is not forgotten for it.
    expect((await refusalOf(gate.loginWithPassword(login(ada, { password: "wrong" })))).code).toBe(
      "invalid_credentials",
    )
    expect(accountOf(ada)).toMatchObject(closed())
    const { accessToken } = await gate.loginWithPassword(login(ada))
    expect(accountOf(ada)).toMatchObject({ id: begun?.id, enabled: true })
    expect(await rowAfter(gate, accessToken)).toMatchObject({ subject: begun?.id, extra: { oldId: ada.oldId } })
  })

  it("waits for the store no longer than `storeTimeoutMs`, and a link that comes later is found by the next login", async () => {
    const ada = table.addPerson()
    const held = deferred<void>()
    const linkUser: typeof table.store.linkUser = (...given) => held.promise.then(() => table.store.linkUser(...given))
    const slow = openGate({}, { userStore: { ...table.store, linkUser }, storeTimeoutMs: 20 })
    expect((await refusalOf(slow.loginWithPassword(login(ada)))).code).toBe("store_unavailable")
    expect(accountOf(ada)).toMatchObject(closed())
    held.resolve()
    await expect.poll(() => isUnlinked(ada)).toBe(false)
    const gate = openGate()
    const { accessToken } = await gate.loginWithPassword(login(ada))
    expect(await rowAfter(gate, accessToken)).toMatchObject({ extra: { oldId: ada.oldId } })
  })

  it("takes the password that the old table has by then, in place of the one that was begun with", async () => {
    const ada = table.addPerson()
    const linkUser = vi.fn(table.store.linkUser).mockRejectedValueOnce(new Error("disk full"))
    const gate = openGate({}, { userStore: { ...table.store, linkUser }, revealAccountState: true })
    await expect(gate.loginWithPassword(login(ada))).rejects.toThrow("disk full")
    table.setPassword(ada, "Another-one-2026")
    // Keycloak calls the old one right, and the account disabled. Neither is any caller's business.
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("invalid_credentials")
    await gate.loginWithPassword(login(ada, { password: "Another-one-2026" }))
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("invalid_credentials")
  })

  it("opens no account that was begun for another row", async () => {
    const ada = table.addPerson()
    const linkUser = vi.fn(table.store.linkUser).mockRejectedValueOnce(new Error("disk full"))
    const gate = openGate({}, { userStore: { ...table.store, linkUser } })
    await expect(gate.loginWithPassword(login(ada))).rejects.toThrow("disk full")
    const eve = table.addPerson({ email: ada.email, password: "Another-one-2026" })
    const credentials = { username: ada.email, password: "Another-one-2026" }
    const error = await refusalOf(gate.loginWithPassword(credentials))
    expect(error).toMatchObject({ code: "user_exists", field: "email" })
    expect(accountOf(ada)).toMatchObject(closed())
    expect(await isUnlinked(eve)).toBe(true)
  })
})

function deferred<Value>() {
  let resolve: (value: Value) => void = () => undefined
  const promise = new Promise<Value>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

function thrown(error: Error): never {
  throw error
}

const noNames = {
  username: null,
  email: null,
  emailVerified: false,
  firstName: null,
  lastName: null,
  custom: {},
  asOf: new Date(0),
}

/** A service account with these roles of `realm-management`. */
function withRoles(clientId: string, roles: readonly string[]) {
  return {
    client: { clientId, secret: clientSecret, publicClient: false, serviceAccountsEnabled: true, enabled: true },
    account: {
      username: `service-account-${clientId}`,
      enabled: true,
      serviceAccountClientId: clientId,
      clientRoles: { "realm-management": roles },
    },
  }
}

function closed() {
  return { enabled: false, requiredActions: ["VERIFY_PROFILE", "update_user_locale"] }
}
