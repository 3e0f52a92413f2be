import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import {
  createGate,
  type Gate,
  type ImportedPerson,
  type ImportPerson,
  importUsers,
  type MemoryUser,
  memoryUserStore,
  parseDjangoHash,
  parsePhcHash,
  syncUsers,
  type UserKey,
  type UserStore,
} from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { djangoHashers } from "../support/old-hashes.ts"

const password = "old-Passw0rd"
const hash = parseDjangoHash(djangoHashers.pbkdf2_sha256?.(password))

type Store = ReturnType<typeof memoryUserStore>

/** A realm and a table of people who have no account yet. */
interface Application {
  readonly realm: TestRealm
  readonly store: Store
  readonly gate: Gate<MemoryUser>
  /** A row, and its person as an application hands it in. */
  readonly person: (more?: Partial<ImportPerson>) => ImportPerson
  readonly gateWith: (changes: Partial<UserStore<MemoryUser>>) => Gate<MemoryUser>
  readonly logIn: (username: string, password?: string) => Promise<unknown>
  readonly rowOf: (subject: string | null) => Promise<MemoryUser | null>
}

function application(realm: TestRealm): Application {
  const store = memoryUserStore()
  const gateWith = (changes: Partial<UserStore<MemoryUser>>) =>
    createGate({
      ...realm.gateOptions,
      userStore: { ...store, ...changes },
      revealAccountState: true,
      onEvent: () => undefined,
    })
  const gate = gateWith({})
  let count = 0
  return {
    realm,
    store,
    gate,
    gateWith,
    person(more = {}) {
      const username = more.username === undefined ? `Person-${count++}` : more.username
      const email = more.email === undefined ? `${username}@example.test` : more.email
      const key = store.addUnlinked({ username, email, extra: { plan: username } })
      return { key, username, email, firstName: "Ada", lastName: "Lovelace", password: hash, ...more }
    },
    logIn: (username, given = password) =>
      gate.loginWithPassword({ username, password: given }).then(
        () => "session",
        ({ code }) => code,
      ),
    rowOf: async subject => (subject === null ? null : store.findUser({ issuer: realm.issuer, subject })),
  }
}

const keepsAttributes = {
  "org.keycloak.userprofile.UserProfileProvider": [
    {
      providerId: "declarative-user-profile",
      config: {
        "kc.user.profile.config": [JSON.stringify({ unmanagedAttributePolicy: "ADMIN_EDIT", attributes: profile() })],
      },
    },
  ],
}

/** A profile with the four names that every realm has. */
function profile(): object[] {
  const permissions = { view: ["admin", "user"], edit: ["admin", "user"] }
  return ["username", "email", "firstName", "lastName"].map(name => ({ name, permissions }))
}

let app: Application
beforeAll(async () => {
  const { roles, ...file } = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: undefined })
  app = application(
    await startTestRealm({
      realm: { ...file, roles, bruteForceProtected: false, groups: [{ name: "customers" }] },
      clientId: "shop-api",
    }),
  )
})
afterAll(() => app.realm.stop())

async function ownApplication(more: Record<string, unknown>): Promise<Application> {
  const file = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: undefined })
  const realm = await startTestRealm({ realm: { ...file, ...more }, clientId: "shop-api" })
  onTestFinished(() => realm.stop())
  return application(realm)
}

async function results<User>(run: AsyncIterable<ImportedPerson<User>>): Promise<ImportedPerson<User>[]> {
  const all: ImportedPerson<User>[] = []
  for await (const one of run) all.push(one)
  return all
}

async function resultOf<User>(gate: Gate<User>, person: ImportPerson): Promise<ImportedPerson<User>> {
  const [one] = await results(importUsers(gate, [person]))
  if (one === undefined) throw new Error("no result")
  return one
}

const name = ({ username }: ImportPerson) => String(username)
const accountOf = (person: ImportPerson) =>
  app.realm.users().find(({ username }) => username === name(person).toLowerCase())
const writes = ({ realm }: Application) =>
  realm.requests.filter(({ method, path }) => method !== "GET" && /users/.test(path))

describe("importUsers", () => {
  it("gives everybody an account with the old password, and ties the row to it", async () => {
    const people = Array.from({ length: 20 }, () => app.person({ groups: ["customers"], emailVerified: true }))
    const all = await results(importUsers(app.gate, people))
    expect(all.map(({ outcome }) => outcome)).toEqual(people.map(() => "created"))
    for (const one of all) {
      const person = people.find(({ key }) => key === one.key)
      if (person === undefined || one.outcome === "refused") throw new Error("not created")
      expect(one.user).toMatchObject({
        subject: one.subject,
        extra: { plan: name(person) },
        username: name(person).toLowerCase(),
      })
      expect(accountOf(person)).toMatchObject({
        enabled: true,
        emailVerified: true,
        requiredActions: [],
        groups: ["/customers"],
      })
      expect(await app.rowOf(one.subject)).toEqual(one.user)
    }
    const [first] = people
    const session = await app.gate.loginWithPassword({ username: first ? name(first) : "", password })
    const principal = await app.gate.verifyBearer(`Bearer ${session.accessToken}`, {})
    expect(principal).toMatchObject({ user: { extra: { plan: first?.username } } })
  })

  it("counts, for whoever awaits it, and tells each person and how far it has come", async () => {
    const people = [app.person(), app.person(), app.person({ groups: ["/nobody"] })]
    const told: unknown[] = []
    const progress: unknown[] = []
    const counts = await importUsers(app.gate, people, {
      onPerson: async ({ key }) => void told.push(key),
      onProgress: one => progress.push(one),
    })
    expect(counts).toEqual({ created: 2, linked: 0, existing: 0, refused: 1 })
    expect(told).toHaveLength(3)
    expect(progress.at(-1)).toEqual(counts)
    expect(await importUsers(app.gate, people.slice(0, 2))).toEqual({ created: 0, linked: 0, existing: 2, refused: 0 })
  })

  it("is one run, iterated and then awaited", async () => {
    const run = importUsers(app.gate, [app.person()])
    expect(await results(run)).toHaveLength(1)
    expect(await run).toMatchObject({ created: 1 })
    expect(await results(run)).toEqual([])
  })

  it("begins nothing before it is waited for", async () => {
    const person = app.person()
    const run = importUsers(app.gate, [person])
    await app.gate.diagnose()
    expect(accountOf(person)).toBeUndefined()
    await run
    expect(accountOf(person)).toBeDefined()
  })

  describe("after a run that was cut off", () => {
    it("finishes an account whose row was not tied", async () => {
      const person = app.person()
      const gate = app.gateWith({ linkUser: () => Promise.reject(new Error("the database is gone")) })
      await expect(importUsers(gate, [person])).rejects.toThrow("the database is gone")
      expect(await app.logIn(name(person))).toBe("account_disabled")
      expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "linked", fields: [] })
      expect(await app.logIn(name(person))).toBe("session")
    })

    it("takes the password that the person has by now", async () => {
      const person = app.person()
      const gate = app.gateWith({ linkUser: () => Promise.reject(new Error("killed")) })
      await expect(importUsers(gate, [person])).rejects.toThrow("killed")
      const later = { ...person, password: parseDjangoHash(djangoHashers.pbkdf2_sha256?.("a later one")) }
      expect(await resultOf(app.gate, later)).toMatchObject({ outcome: "linked" })
      expect(await app.logIn(name(person))).toBe("invalid_credentials")
      expect(await app.logIn(name(person), "a later one")).toBe("session")
      expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "existing" })
    })

    it("opens an account whose row was tied, although nobody hands it in any more", async () => {
      const person = app.person()
      const gate = app.gateWith({
        async linkUser(key, profile) {
          await app.store.linkUser(key, profile)
          throw new Error("killed")
        },
      })
      await expect(importUsers(gate, [person])).rejects.toThrow("killed")
      expect(await app.logIn(name(person))).toBe("account_disabled")
      expect(await importUsers(app.gate, [])).toEqual({ created: 0, linked: 0, existing: 0, refused: 0 })
      expect(await app.logIn(name(person))).toBe("session")
    })

    it("takes away a row that syncUsers has made for a closed account", async () => {
      const person = app.person()
      const gate = app.gateWith({ linkUser: () => Promise.reject(new Error("killed")) })
      await expect(importUsers(gate, [person])).rejects.toThrow("killed")
      await syncUsers(app.gate)
      const account = accountOf(person)
      expect(await app.rowOf(account?.id ?? "")).toMatchObject({ extra: null })
      expect(await resultOf(app.gate, person)).toMatchObject({
        outcome: "linked",
        user: { extra: { plan: person.username } },
      })
    })

    it("leaves an account closed that an administrator has locked since", async () => {
      const person = app.person()
      const { outcome, ...made } = await resultOf(app.gate, person)
      expect(outcome).toBe("created")
      await app.gate.disableAccount("subject" in made ? String(made.subject) : "")
      expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "existing" })
      expect(await app.logIn(name(person))).toBe("account_disabled")
    })
  })

  it("makes one account for each, however many runs there are at once", async () => {
    const people = Array.from({ length: 12 }, () => app.person())
    const runs = await Promise.all([1, 2, 3].map(() => importUsers(app.gateWith({}), people)))
    for (const { created, linked, existing, refused } of runs) {
      expect(created + linked + existing).toBe(12)
      expect(refused).toBe(0)
    }
    expect(runs.reduce((sum, { created }) => sum + created, 0)).toBe(12)
    for (const person of people) expect(await app.logIn(name(person))).toBe("session")
  })

  describe("refuses by name, and goes on with the others,", () => {
    it.each<[string, (app: Application) => ImportPerson, string, readonly string[]]>([
      [
        "a person without key",
        ({ person }) => ({ ...person(), key: undefined as unknown as UserKey }),
        "person_invalid",
        ["key"],
      ],
      ["a key that is no number", ({ person }) => ({ ...person(), key: Number.NaN }), "person_invalid", ["key"]],
      ["what is no person", () => null as unknown as ImportPerson, "person_invalid", ["person"]],
      ["a name with a line break", ({ person }) => person({ firstName: "A\nB" }), "person_invalid", ["firstName"]],
      ["nobody at all", ({ person }) => person({ username: null, email: "" }), "person_invalid", ["username"]],
      [
        "the name of a service account",
        ({ person }) => person({ username: "Service-Account-x" }),
        "person_invalid",
        ["username"],
      ],
      [
        "a member that there is not",
        ({ person }) => ({ ...person(), isStaff: true }) as ImportPerson,
        "person_invalid",
        ["isStaff"],
      ],
      [
        "a group that there is not",
        ({ person }) => person({ groups: ["/customers", "/x"] }),
        "group_unknown",
        ["groups"],
      ],
      [
        "an attribute that there is not",
        ({ person }) => person({ attributes: { x: "1" } }),
        "attribute_dropped",
        ["x"],
      ],
      [
        "a username that the profile refuses",
        ({ person }) => person({ username: "a b", email: null }),
        "account_rejected",
        ["username"],
      ],
      ["an e-mail that is none", ({ person }) => person({ email: "nobody" }), "account_rejected", ["email"]],
      [
        "bcrypt",
        ({ person }) => person({ password: parseDjangoHash("bcrypt$$2b$12$x") }),
        "hash_unreadable",
        ["password"],
      ],
      [
        "a hash that needs a GiB of memory",
        ({ person }) =>
          person({ password: parsePhcHash("$argon2id$v=19$m=1048576,t=1,p=1$bmFjbG5hY2w$bmFjbG5hY2xuYWNsbmFjbA") }),
        "hash_unreadable",
        ["password"],
      ],
      [
        "a password in clear",
        ({ person }) => ({ ...person(), password: "clear" }) as unknown as ImportPerson,
        "hash_unreadable",
        ["password"],
      ],
    ])("%s", async (_name, make, code, fields) => {
      const bad = make(app)
      const [good, other] = [app.person(), app.person()]
      app.realm.forgetRequests()
      const all = await results(importUsers(app.gate, [good, bad, other], { concurrency: 1 }))
      const sent = writes(app).filter(({ method }) => method === "POST")
      expect(all.map(({ outcome }) => outcome)).toEqual(["created", "refused", "created"])
      const [, refusal] = all
      expect(refusal).toMatchObject({ key: fields[0] === "key" || bad === null ? null : bad.key, code })
      expect(refusal?.fields.map(({ field }) => field)).toEqual(fields)
      expect(sent).toHaveLength(code === "account_rejected" ? 3 : 2)
    })

    it("one of two people whose names differ in the letters' case alone", async () => {
      const [large, small] = [
        app.person({ username: "Ada", email: null }),
        app.person({ username: "ada", email: null }),
      ]
      const all = await results(importUsers(app.gate, [large, small]))
      expect(all.map(({ outcome }) => outcome).sort()).toEqual(["created", "refused"])
      const refused = all.find(({ outcome }) => outcome === "refused")
      expect(refused).toMatchObject({ code: "name_shared", fields: [{ field: "username", rule: "taken", params: [] }] })
      expect(await resultOf(app.gate, refused?.key === large.key ? large : small)).toMatchObject({
        code: "name_shared",
      })
    })

    it("somebody whose name a stranger has registered, who keeps a row of his own", async () => {
      const person = app.person({ username: "root", email: null })
      const stranger = {
        username: "root",
        email: "s@example.test",
        firstName: "S",
        lastName: "T",
        password: "Stranger-1!",
      }
      const { subject } = await app.gate.registerUser(stranger)
      expect(await resultOf(app.gate, person)).toMatchObject({ code: "user_exists", fields: [{ field: "username" }] })
      expect(await app.rowOf(subject)).toMatchObject({ username: "root", extra: null })
    })

    it("somebody whose row is tied elsewhere, and leaves no account behind", async () => {
      const person = app.person()
      const profile = {
        issuer: app.realm.issuer,
        subject: "somebody-else",
        username: "x",
        email: null,
        emailVerified: false,
      }
      await app.store.linkUser(person.key, {
        ...profile,
        firstName: null,
        lastName: null,
        custom: {},
        asOf: new Date(),
      })
      expect(await resultOf(app.gate, person)).toMatchObject({ code: "row_taken" })
      expect(accountOf(person)).toBeUndefined()
      expect(await resultOf(app.gate, { ...person, enabled: false })).toMatchObject({ code: "row_taken" })
      expect(accountOf(person)).toBeUndefined()
    })

    it("somebody whose account has been renamed since", async () => {
      const person = app.person()
      await importUsers(app.gate, [person])
      const renamed = { ...person, username: "renamed", email: "renamed@example.test" }
      expect(await resultOf(app.gate, renamed)).toMatchObject({ code: "key_used" })
    })
  })

  it("gives somebody without a password an account that has to set one", async () => {
    for (const password of [null, undefined, parseDjangoHash("!")]) {
      const person = app.person({ password })
      expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "created" })
      expect(accountOf(person)).toMatchObject({ enabled: true, requiredActions: ["UPDATE_PASSWORD"] })
      expect(await app.logIn(name(person), "")).toBe("invalid_request")
    }
  })

  it("leaves somebody disabled who was so before, with the row tied", async () => {
    const person = app.person({ enabled: false })
    const one = await resultOf(app.gate, person)
    expect(one).toMatchObject({ outcome: "created", user: { extra: { plan: person.username } } })
    expect(accountOf(person)).toMatchObject({ enabled: false, requiredActions: [] })
    expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "existing" })
    await importUsers(app.gate, [])
    expect(await app.logIn(name(person))).toBe("account_disabled")
  })

  it("tells what the realm will ask of somebody before it lets them in", async () => {
    const person = app.person({ email: "", lastName: " " })
    const fields = ["email", "lastName"].map(field => ({ field, rule: "required", params: [] }))
    expect(await results(importUsers(app.gate, [person], { dryRun: true }))).toMatchObject([
      { outcome: "created", fields },
    ])
    expect(await resultOf(app.gate, person)).toMatchObject({ outcome: "created", fields })
    expect(await app.logIn(name(person))).toBe("account_setup_required")
  })

  it("makes and changes nothing in a dry run", async () => {
    const [known, fresh] = [app.person(), app.person()]
    await importUsers(app.gate, [known])
    const people = [known, fresh, app.person({ username: name(known), email: null }), app.person({ groups: ["/x"] })]
    app.realm.forgetRequests()
    const all = await results(importUsers(app.gate, people, { dryRun: true, concurrency: 1 }))
    expect(all.map(({ outcome, code }) => code ?? outcome)).toEqual([
      "existing",
      "created",
      "name_shared",
      "group_unknown",
    ])
    expect(writes(app)).toEqual([])
    expect(accountOf(fresh)).toBeUndefined()
    expect(await app.store.findUnlinked({ username: name(fresh) } as never, { by: "username" })).toHaveLength(1)
  })

  it("names the algorithm of a hash that Keycloak can't read, and nothing of a password in clear", async () => {
    const bcrypt = await resultOf(app.gate, app.person({ password: parseDjangoHash("bcrypt_sha256$$2b$12$x") }))
    expect("message" in bcrypt && bcrypt.message).toMatch(/"bcrypt_sha256".*legacyLogin/s)
    const clear = await resultOf(app.gate, { ...app.person(), password: "in-clear" } as unknown as ImportPerson)
    expect(JSON.stringify(clear)).not.toContain("in-clear")
  })

  it("leaves what the realm asks of every new account", async () => {
    const own = await ownApplication({
      requiredActions: [
        { alias: "VERIFY_PROFILE", name: "Verify Profile", providerId: "VERIFY_PROFILE", enabled: true, priority: 1 },
        { alias: "update_user_locale", name: "L", providerId: "update_user_locale", enabled: true, priority: 2 },
        {
          alias: "UPDATE_PROFILE",
          name: "U",
          providerId: "UPDATE_PROFILE",
          enabled: true,
          defaultAction: true,
          priority: 3,
        },
      ],
    })
    expect(await importUsers(own.gate, [own.person(), own.person(), own.person()])).toMatchObject({ created: 3 })
    const asked = own.realm.users().map(({ requiredActions }) => requiredActions)
    expect(asked).toEqual([["UPDATE_PROFILE"], ["UPDATE_PROFILE"], ["UPDATE_PROFILE"]])
  })

  it("fills the row with what the application keeps of an account", async () => {
    const own = await ownApplication({ components: keepsAttributes })
    const gate = createGate({
      ...own.realm.gateOptions,
      userStore: own.store,
      customProfile: { fromAccount: ({ attributes }) => ({ plan: attributes.plan?.[0] }) },
    })
    const person = own.person({ attributes: { plan: "pro", empty: null } })
    expect(await resultOf(gate, person)).toMatchObject({ outcome: "created", user: { custom: { plan: "pro" } } })
  })

  it("takes the e-mail for the username where the realm does, or where there is no other", async () => {
    const own = await ownApplication({ registrationEmailAsUsername: true })
    expect(await resultOf(own.gate, own.person({ email: "Ada@example.test" }))).toMatchObject({
      outcome: "created",
      user: { username: "ada@example.test", email: "ada@example.test" },
    })
    expect(await resultOf(own.gate, own.person({ email: null }))).toMatchObject({ code: "person_invalid" })
    const nameless = app.person({ username: null, email: "nameless@example.test" })
    expect(await resultOf(app.gate, nameless)).toMatchObject({ user: { username: "nameless@example.test" } })
  })

  describe("takes people as they are wanted", () => {
    /** So many people, one after the other, with what becomes of the stream. */
    function stream(length: number) {
      const seen = { taken: 0, isClosed: false }
      async function* people() {
        try {
          for (; seen.taken < length; ) {
            seen.taken += 1
            yield app.person()
          }
        } finally {
          seen.isClosed = true
        }
      }
      return { seen, people: people() }
    }

    it("and no faster than the results are", async () => {
      const { seen, people } = stream(50)
      let done = 0
      for await (const one of importUsers(app.gate, people, { concurrency: 4 })) {
        expect(one.outcome).toBe("created")
        done += 1
        expect(seen.taken - done).toBeLessThanOrEqual(9)
      }
      expect(done).toBe(50)
    })

    it("and no more of them after a break", async () => {
      const { seen, people } = stream(50)
      const run = importUsers(app.gate, people, { concurrency: 2 })
      for await (const one of run) if (one.outcome === "created") break
      await expect.poll(() => seen.isClosed).toBe(true)
      expect(seen.taken).toBeLessThan(8)
      expect((await run).created).toBeGreaterThan(0)
    })

    it("and throws what they throw, after it has finished whom it had begun", async () => {
      async function* people() {
        yield app.person()
        yield app.person()
        throw new RangeError("the cursor broke")
      }
      const seen: unknown[] = []
      const run = importUsers(app.gate, people(), { onPerson: ({ outcome }) => void seen.push(outcome) })
      await expect(run).rejects.toThrow("the cursor broke")
      expect(seen).toEqual(["created", "created"])
    })

    it("and ends with the signal, in front of a stream that gives nothing", async () => {
      const ending = new AbortController()
      async function* people() {
        yield app.person()
        await new Promise(() => undefined)
      }
      const run = importUsers(app.gate, people(), {
        signal: ending.signal,
        onPerson: () => ending.abort(new Error("enough")),
      })
      await expect(run).rejects.toThrow("enough")
      await expect(importUsers(app.gate, [], { signal: ending.signal })).rejects.toThrow("enough")
    })
  })

  it("throws what onPerson throws", async () => {
    const onPerson = () => Promise.reject(new Error("the file is full"))
    await expect(importUsers(app.gate, [app.person()], { onPerson })).rejects.toThrow("the file is full")
  })

  it("ends with an outage, and the next run goes on", async () => {
    const own = await ownApplication({})
    const people = Array.from({ length: 10 }, () => own.person())
    const onPerson = () => own.realm.goDown()
    const run = importUsers(own.gate, people, { concurrency: 2, onPerson })
    await expect(run).rejects.toMatchObject({ code: "keycloak_unavailable" })
    await own.realm.comeBack()
    const { refused } = await importUsers(own.gate, people)
    expect(refused).toBe(0)
    for (const person of people) expect(await own.logIn(name(person))).toBe("session")
    expect(own.realm.users()).toHaveLength(10)
  })

  it.each<[string, () => unknown]>([
    ["a gate that is none", () => importUsers({} as Gate<MemoryUser>, [])],
    [
      "a gate without store",
      () => importUsers(createGate({ ...app.realm.gateOptions }) as unknown as Gate<MemoryUser>, []),
    ],
    ["a store without linkUser", () => importUsers(app.gateWith({ linkUser: undefined as never }), [])],
    ["people that are none", () => importUsers(app.gate, {} as ImportPerson[])],
    ["a text for people", () => importUsers(app.gate, "ada" as unknown as ImportPerson[])],
    ["no concurrency", () => importUsers(app.gate, [], { concurrency: 0 })],
    ["an option that there is not", () => importUsers(app.gate, [], { dryrun: true } as object)],
    ["a signal that is none", () => importUsers(app.gate, [], { signal: {} as AbortSignal })],
  ])("refuses %s at once", (_name, call) => {
    expect(call).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })
})
