import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  createGate,
  type Gate,
  type GateEvent,
  type GateOptions,
  type MemoryUser,
  memoryUserStore,
  type Registration,
  type UserStore,
} from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm } from "../../src/testing/index.js"
import {
  answerWith,
  changeAnswer,
  cutAnswer,
  endless,
  hangBeforeHeaders,
  holdUp,
  performThen,
  reset,
} from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { type Fault, startFaultyServer } from "../support/faulty-server.ts"
import { paths } from "../support/paths.ts"
import { forward } from "../support/proxy.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

const role = "uma_authorization"
const answerWithJson = (data: unknown) =>
  answerWith({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(data) })
const failure = new Error("disk full")
const badGateway = answerWith({ status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad Gateway</h1>" })

let realm: FaultyRealm
let rows: UserStore<MemoryUser>
/** What `saveUser` of the registering process does. */
let save: UserStore<MemoryUser>["saveUser"]
let events: GateEvent[]
let gates: Gate<MemoryUser>[]
let gate: Gate<MemoryUser>
beforeEach(async () => {
  realm = await startFaultyRealm()
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  rows = memoryUserStore()
  save = rows.saveUser
  events = []
  gates = []
  gate = makeGate({ userStore: { ...rows, saveUser: (...row) => save(...row) } })
})
afterEach(async () => {
  vi.useRealTimers()
  for (const one of gates) one.close()
  await realm.close()
})

function makeGate({ userStore = rows, ...options }: Partial<GateOptions<MemoryUser>> = {}): Gate<MemoryUser> {
  const made = createGate<MemoryUser>({
    ...realm.gateOptions,
    userStore,
    registration: { realmRoles: [role] },
    timeoutMs: 600_000,
    onEvent: event => events.push(event),
    ...options,
  })
  gates.push(made)
  return made
}

let people = 0
function newPerson(): Registration & { readonly username: string } {
  const username = `registered-${people++}`
  const names = { firstName: "Ada", lastName: "Lovelace" }
  return { username, email: `${username}@example.test`, ...names, password: secrets.password }
}

const accountOf = ({ username }: { readonly username: string }) =>
  realm.users().find(account => account.username === username)
const rowOf = (subject: string) => rows.findUser({ issuer: issuer(), subject })
const issuer = () => `${realm.url}/realms/shop`
const noticed = () => events.filter(event => event.type === "registration_unsettled")
const settled = () => events.filter(event => event.type === "registration_settled")
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000)

/** The first look comes after a second. */
async function finished(): Promise<void> {
  await seconds(1)
  await expect.poll(settled).toMatchObject([{ outcome: "finished" }])
}

/** Time passes until it is settled; between two minutes of it there is time for what was asked. */
const afterAllLooks = () =>
  expect.poll(
    async () => {
      await seconds(60)
      return settled()
    },
    { interval: 20, timeout: 30_000 },
  )

async function rolesOf(subject: string): Promise<string[]> {
  const { clientId, clientSecret = "" } = realm.gateOptions
  const grant = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret }
  const tokens = await fetch(`${issuer()}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams(grant),
  })
  const { access_token } = (await tokens.json()) as { access_token: string }
  const answer = await fetch(`${realm.url}/admin/realms/shop/users/${subject}/role-mappings/realm`, {
    headers: { authorization: `Bearer ${access_token}` },
  })
  return ((await answer.json()) as { name: string }[]).map(({ name }) => name)
}

/** Ways to leave an account behind. */
const failing: readonly { readonly how: string; readonly begin: () => void }[] = [
  {
    how: "both answers to the create were lost",
    begin: () => realm.breakWith(cutAnswer, { at: paths.create, times: 2 }),
  },
  {
    how: "the answer to the create and the look-up were lost",
    begin() {
      realm.breakWith(cutAnswer, { at: paths.create, times: 1 })
      realm.breakWith(reset, { at: paths.find, times: 2 }) // a question is sent once more
    },
  },
  {
    how: "the roles could not be given and the account not be deleted",
    begin() {
      realm.breakWith(badGateway, { at: paths.giveRoles, times: 1 })
      realm.breakWith(badGateway, { at: paths.remove, times: 2 })
    },
  },
  {
    how: "the answer to the giving of roles was lost and the account could not be deleted",
    begin() {
      realm.breakWith(cutAnswer, { at: paths.giveRoles, times: 1 })
      realm.breakWith(badGateway, { at: paths.remove, times: 2 })
    },
  },
  {
    how: "the store failed and the account could not be deleted",
    begin() {
      save = () => Promise.reject(failure)
      realm.breakWith(badGateway, { at: paths.remove, times: 2 })
    },
  },
]

/** What its person does with it; tells later whether nothing of that is lost. */
const uses: readonly {
  readonly what: string
  readonly use: (elsewhere: Gate<MemoryUser>, person: Registration) => Promise<() => Promise<void>>
}[] = [
  {
    what: "logs in and out again",
    async use(elsewhere, { username = "", password }) {
      const { accessToken, refreshToken } = await elsewhere.loginWithPassword({ username, password })
      const { subject, user } = await elsewhere.verifyBearer(`Bearer ${accessToken}`, {})
      await elsewhere.logout(refreshToken)
      // What the registration knows may be dated some milliseconds later than the token.
      const kept = { ...user, asOf: expect.any(Date), extra: { plan: "pro" } }
      return async () => expect(await rowOf(subject)).toMatchObject(kept)
    },
  },
  {
    what: "keeps an offline session",
    async use(elsewhere, { username = "", password }) {
      const { refreshToken } = await elsewhere.loginWithPassword({ username, password, scope: "offline_access" })
      return async () => {
        expect((await makeGate().refreshSession(refreshToken)).accessToken).toBeTruthy()
      }
    },
  },
  {
    what: "has an e-mail of later",
    async use(elsewhere, { username = "", password }) {
      const { accessToken } = await elsewhere.loginWithPassword({ username, password })
      const { subject } = await elsewhere.verifyBearer(`Bearer ${accessToken}`, {})
      const email = `later-${username}@example.test`
      await elsewhere.updateAccount(subject, { email })
      return async () => expect(await rowOf(subject)).toMatchObject({ email, extra: { plan: "pro" } })
    },
  },
]

describe.each(failing)("an account that a registration has left because $how", ({ begin }) => {
  it.each(uses)(
    "stays, with its row, when its person $what: whoever registers its name, whatever time passes",
    async ({ use }) => {
      const person = newPerson()
      begin()
      expect(await refusalOf(gate.registerUser(person, { plan: "pro" }))).toMatchObject({
        code: "keycloak_unavailable",
      })
      await realm.heal()
      save = rows.saveUser
      const account = accountOf(person)
      const elsewhere = makeGate({ registration: undefined })
      const assertKept = await use(elsewhere, person)

      const removals = realm.requests(paths.remove)
      for (const one of [gate, elsewhere])
        expect(await refusalOf(one.registerUser(person))).toMatchObject({ code: "user_exists" })
      await finished()
      expect(settled()).toMatchObject([{ subject: account?.id }])
      await realm.goDown()
      await seconds(1000)
      await realm.heal()
      await seconds(1000)
      for (const one of [gate, elsewhere])
        expect(await refusalOf(one.registerUser(person))).toMatchObject({ code: "user_exists" })
      gate.close()
      await seconds(1000)

      expect(realm.requests(paths.remove)).toBe(removals)
      expect(accountOf(person)?.id).toBe(account?.id)
      expect(await rolesOf(account?.id ?? "")).toContain(role)
      expect(await rowOf(account?.id ?? "")).toMatchObject({ username: person.username, extra: { plan: "pro" } })
      await assertKept()
    },
  )

  it("is finished although nobody uses it, and its person can log in", async () => {
    const person = newPerson()
    begin()
    const error = await refusalOf(gate.registerUser(person, { plan: "pro" }))
    expect(noticed()).toMatchObject([{ error }])
    await realm.heal()
    save = rows.saveUser
    await finished()
    const { id = "" } = accountOf(person) ?? {}
    expect(await rolesOf(id)).toContain(role)
    expect(await rowOf(id)).toMatchObject({ subject: id, email: person.email, extra: { plan: "pro" } })
    await gate.loginWithPassword(person)
    expect(secretsIn(events)).toEqual([])
  })

  it("is left alone when it was deleted meanwhile", async () => {
    const person = newPerson()
    begin()
    await refusalOf(gate.registerUser(person))
    await realm.heal()
    save = rows.saveUser
    const { id = "" } = accountOf(person) ?? {}
    await makeGate().deleteAccount(id)
    await afterAllLooks().toMatchObject([{ outcome: "absent" }])
    expect([accountOf(person), await rowOf(id)]).toEqual([undefined, null])
  })

  it("is left alone when somebody else has the name by now", async () => {
    const person = newPerson()
    begin()
    await refusalOf(gate.registerUser(person))
    await realm.heal()
    save = rows.saveUser
    const elsewhere = makeGate({ registration: undefined })
    await elsewhere.deleteAccount(accountOf(person)?.id ?? "")
    const { subject } = await elsewhere.registerUser({ ...person, password: "Analytical-Engine-1" }, { plan: "free" })
    await seconds(1)
    await expect.poll(settled).toMatchObject([{ outcome: "absent" }])
    expect(await rolesOf(subject)).not.toContain(role)
    expect(await rowOf(subject)).toMatchObject({ extra: { plan: "free" } })
    await elsewhere.loginWithPassword({ ...person, password: "Analytical-Engine-1" })
  })
})

describe("a registration whose verification mail was still to be sent", () => {
  async function loseAnswers(person: Registration, more: object = {}) {
    const file = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: secrets.clientSecrets[0] })
    const shop = await startTestRealm({ realm: { ...file, smtpServer: { host: "mail.example.test" }, ...more } })
    const server = await startFaultyServer(call => forward(shop.url, call))
    const onboarding = createGate({
      ...shop.gateOptions,
      serverUrl: server.url,
      registration: { onboarding: "verify-email" },
      timeoutMs: 600_000,
      onEvent: event => events.push(event),
    })
    server.breakWith(cutAnswer, { at: paths.create, times: 2 })
    await refusalOf(onboarding.registerUser(person))
    expect(shop.mails).toEqual([])
    await finished()
    onboarding.close()
    await server.close()
    await shop.stop()
    return shop.mails
  }

  it("has Keycloak send it when its account is found", async () => {
    const person = newPerson()
    expect(await loseAnswers(person)).toMatchObject([{ to: person.email }])
  })

  it("is finished without a mail where the account has no e-mail", async () => {
    const permissions = { view: ["admin", "user"], edit: ["admin", "user"] }
    const attributes = ["username", "email", "firstName", "lastName"].map(name => ({ name, permissions }))
    const config = { "kc.user.profile.config": [JSON.stringify({ attributes })] }
    const components = { "org.keycloak.userprofile.UserProfileProvider": [{ config }] }
    expect(await loseAnswers({ ...newPerson(), email: "" }, { components })).toEqual([])
  })
})

describe("a row that is saved after its registration has failed for lateness", () => {
  let saveLate: (() => void) | undefined
  beforeEach(() => {
    saveLate = undefined
    gate = makeGate({ userStore: { ...rows, saveUser: (...row) => save(...row) }, storeTimeoutMs: 1000 })
    save = (...row) =>
      new Promise(resolve => {
        saveLate = () => resolve(rows.saveUser(...row))
      })
  })

  async function failForLateness(person: Registration): Promise<void> {
    const failed = gate.registerUser(person, { plan: "pro" }).catch((error: unknown) => error)
    await expect.poll(() => saveLate).toBeTypeOf("function")
    await seconds(1)
    expect(await failed).toBeInstanceOf(Error)
  }

  it("is removed, since its account is gone", async () => {
    const person = newPerson()
    const ids: string[] = []
    const saveAndHang = save
    save = (profile, extra) => {
      ids.push(profile.subject)
      return saveAndHang(profile, extra)
    }
    await failForLateness(person)
    expect(accountOf(person)).toBeUndefined()
    saveLate?.()
    await expect.poll(() => rowOf(ids[0] ?? "")).toBeNull()
  })

  it("stays when the account could not be deleted", async () => {
    const person = newPerson()
    realm.breakWith(badGateway, { at: paths.remove, times: 2 })
    await failForLateness(person)
    save = rows.saveUser
    const { id = "" } = accountOf(person) ?? {}
    saveLate?.()
    await finished()
    await seconds(1000)
    expect(await rowOf(id)).toMatchObject({ subject: id, extra: { plan: "pro" } })
  })
})

describe("close()", () => {
  /** Half of the time that a registration has to end goes by before the request that hangs. */
  async function closeBefore(hanging: RegExp, letGo: () => unknown): Promise<void> {
    const closed = gate.close()
    await seconds(300)
    letGo()
    await expect.poll(() => realm.requests(hanging)).toBe(1)
    await seconds(300)
    await closed
  }

  it("names the account of a registration that did not end in time and can't be undone any more", async () => {
    const person = newPerson()
    const held = holdUp()
    realm.breakWith(held.fault, { at: paths.availableRoles })
    realm.breakWith(hangBeforeHeaders, { at: paths.giveRoles })
    const error = refusalOf(gate.registerUser(person))
    await expect.poll(() => realm.requests(paths.availableRoles)).toBe(1)
    await closeBefore(paths.giveRoles, held.letGo)
    const { id = "" } = accountOf(person) ?? {}
    expect(await error).toMatchObject({ code: "closed" })
    await expect.poll(settled).toMatchObject([{ outcome: "abandoned", subject: id }])
    expect((await error).message).toContain(id)
  })

  it("names the stamps of a create that did not end in time: nobody knows whether it worked", async () => {
    const held = holdUp()
    realm.breakWith(held.fault, { at: paths.profile })
    realm.breakWith(hangBeforeHeaders, { at: paths.create })
    const error = refusalOf(gate.registerUser(newPerson()))
    await expect.poll(() => realm.requests(paths.profile)).toBe(1)
    await closeBefore(paths.create, held.letGo)
    expect(await error).toMatchObject({ code: "closed" })
    await expect.poll(settled).toMatchObject([{ outcome: "abandoned", subject: null }])
  })
})

/** The create does its work, and this becomes of the address that its answer names. */
const located =
  (change: (location: URL, id: string) => string | null): Fault =>
  async ({ perform, send }) => {
    const { location, ...headers } = (await perform()).headers ?? {}
    const url = new URL(String(location))
    const changed = change(url, String(url.pathname.split("/").at(-1)))
    send({ status: 201, headers: { ...headers, ...(changed !== null && { location: changed }) } })
  }

describe("the Location of a create", () => {
  it.each<[string, (location: URL, id: string) => string]>([
    ["as Keycloak sends it", ({ href }) => href],
    ["as a path alone", ({ pathname }) => pathname],
    ["with an encoded letter", ({ href }, id) => href.replace(id, `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`)],
  ])("gives the subject %s", async (_, change) => {
    const person = newPerson()
    realm.breakWith(located(change), { at: paths.create, times: 1 })
    expect((await gate.registerUser(person)).subject).toBe(accountOf(person)?.id)
    expect(realm.requests(paths.create)).toBe(1)
  })

  it("gives the subject at Keycloak's public address, wherever this process asks", async () => {
    const person = newPerson()
    const inside = await startFaultyServer(call => forward(realm.url, call))
    const { subject } = await makeGate({ internalUrl: inside.url }).registerUser(person)
    expect(subject).toBe(accountOf(person)?.id)
    expect(realm.requests(paths.create)).toBe(1)
    await inside.close()
  })

  const other = "11111111-2222-3333-4444-555555555555"
  it.each<[string, (location: URL, id: string) => string | null]>([
    ["is missing", () => null],
    ["is empty", () => ""],
    ["is another origin's", ({ pathname }) => `https://elsewhere.example.test${pathname}`],
    ["is another origin's, without its scheme", ({ pathname }) => `//elsewhere.example.test${pathname}`],
    ["is of another scheme", ({ host, pathname }) => `ftp://${host}${pathname}`],
    ["is another realm's", ({ href }) => href.replace("/shop/", "/other/")],
    ["is no account's", ({ origin }) => `${origin}/admin/realms/shop/groups/${other}`],
    ["is deeper", ({ href }) => `${href}/role-mappings`],
    ["is the collection of all", ({ href }, id) => href.replace(id, "")],
    ["is their number", ({ href }, id) => href.replace(id, "count")],
    ["goes up", ({ href }, id) => href.replace(id, "..")],
    ["goes up in other letters", ({ href }, id) => href.replace(id, "%2e%2E")],
    ["stays where it is", ({ href }, id) => href.replace(id, ".")],
    ["makes a detour", ({ href }, id) => href.replace(id, `x/../${other}`)],
    ["has an encoded slash", ({ href }, id) => href.replace(id, `x%2F${other}`)],
    ["has a backslash", ({ href }, id) => href.replace(id, `x\\${other}`)],
    ["has an encoded backslash", ({ href }, id) => href.replace(id, `x%5C${other}`)],
    ["can't be decoded", ({ href }, id) => href.replace(id, "%zz")],
    ["has a query", ({ href }) => `${href}?then=${other}`],
    ["has a query with a path", ({ href }) => `${href}?then=/admin/realms/shop/users/${other}`],
    ["has a fragment", ({ href }) => `${href}#${other}`],
    ["is two", ({ href, pathname }) => `${href}, ${pathname}`],
    ["is no address", () => "see above"],
  ])("that %s is no answer: the account is told by its stamp, as after a lost one", async (_, change) => {
    const person = newPerson()
    realm.breakWith(located(change), { at: paths.create, times: 1 })
    const { subject, user } = await gate.registerUser(person)
    expect(subject).toBe(accountOf(person)?.id)
    expect(user.subject).toBe(subject)
    expect(realm.requests(paths.create)).toBe(2)
  })

  it("is not looked at in an answer that is no 201", async () => {
    const person = newPerson()
    const { origin } = new URL(realm.url)
    const location = `${origin}/admin/realms/shop/users/${other}`
    realm.breakWith(performThen({ status: 200, headers: { location }, body: "" }), { at: paths.create, times: 1 })
    expect((await gate.registerUser(person)).subject).toBe(accountOf(person)?.id)
  })
})

describe("groups that the application gives", () => {
  const giving = () => makeGate({ registration: { groups: ["/editors", "/no such group"] } })

  it("are asked about when Keycloak answers 500, which is all that it says of one that is missing", async () => {
    const person = newPerson()
    const error = await refusalOf(giving().registerUser(person))
    expect(error).toMatchObject({ code: "keycloak_refused_us" })
    expect(error.message).toContain("/no such group")
    expect([accountOf(person), noticed()]).toEqual([undefined, []])
  })

  it("are not asked about when the answer to the create was lost: that would double the wait", async () => {
    realm.breakWith(reset, { at: paths.create })
    expect(await refusalOf(giving().registerUser(newPerson()))).toMatchObject({ code: "keycloak_unavailable" })
    expect(realm.requests(/group-by-path/)).toBe(0)
  })
})

describe("an id in an answer that is a step in a path", () => {
  it("of an account is no answer of Keycloak's", async () => {
    const person = newPerson()
    realm.breakWith(cutAnswer, { at: paths.create, times: 1 })
    const found = changeAnswer(list => [{ ...(list as unknown as object[])[0], id: ".." }])
    realm.breakWith(found, { at: paths.find })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "keycloak_unavailable" })
  })

  it.each([["."], [".."], [""]])("of a session (%j) leads nowhere", async id => {
    const { subject } = await gate.registerUser(newPerson())
    realm.breakWith(answerWithJson([{ additionalGrants: [{ client: "some-client" }] }]), { at: /\/consents$/ })
    realm.breakWith(answerWithJson([{ id }]), { at: /\/offline-sessions\// })
    expect(await refusalOf(gate.logoutEverywhere(subject))).toMatchObject({ code: "keycloak_unavailable" })
    expect(realm.requests(/^DELETE /)).toBe(0)
  })

  it.each([["."], [".."], [""]])("of a client (%j) leads nowhere", async client => {
    const { subject } = await gate.registerUser(newPerson())
    realm.breakWith(answerWithJson([{ additionalGrants: [{ client }] }]), { at: /\/consents$/ })
    expect(await refusalOf(gate.logoutEverywhere(subject))).toMatchObject({ code: "keycloak_unavailable" })
    expect(realm.requests(/offline-sessions/)).toBe(0)
  })
})

describe("an answer without end to", () => {
  // Time stands still here, so only the limit on the length of an answer can end it.
  it.each([
    ["the question for the profile", paths.profile],
    ["the question for the realm", paths.realm],
    ["the question for roles", paths.availableRoles],
    ["the giving of roles", paths.giveRoles],
  ])("%s is read for a megabyte, and is a 503", async (_, at) => {
    realm.breakWith(endless, { at })
    expect(await refusalOf(gate.registerUser(newPerson()))).toMatchObject({ code: "keycloak_unavailable" })
  })

  it("the create or the look-up counts as lost", async () => {
    const person = newPerson()
    realm.breakWith(endless, { at: paths.create, times: 1 })
    realm.breakWith(endless, { at: paths.find, times: 1 })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "keycloak_unavailable" })
    await finished()
    expect(realm.requests(paths.create)).toBe(2)
  })

  it("the deletion of an account whose registration failed does not hide that it was deleted", async () => {
    const person = newPerson()
    save = () => Promise.reject(failure)
    realm.breakWith(endless, { at: paths.remove, times: 1 })
    await expect(gate.registerUser(person)).rejects.toBe(failure)
    expect(accountOf(person)).toBeUndefined()
  })
})

describe("a create that was turned away", () => {
  it.each([
    ["with 429", answerWith({ status: 429, headers: { "retry-after": "1" } }), 503],
    [
      "with 403",
      answerWith({ status: 403, headers: { "content-type": "application/json" }, body: '{"error":"x"}' }),
      500,
    ],
  ])("%s is sent once, and nothing is left to settle", async (_, fault, status) => {
    realm.breakWith(fault, { at: paths.create })
    expect(await refusalOf(gate.registerUser(newPerson()))).toMatchObject({ status })
    expect(realm.requests(paths.create)).toBe(1)
    expect(noticed()).toEqual([])
  })

  it("by nobody listening is sent once, and nothing is left to settle", async () => {
    realm.breakWith(
      async ({ perform, send }) => {
        send(await perform())
        await realm.goDown()
      },
      { at: paths.realm },
    )
    expect(await refusalOf(gate.registerUser(newPerson()))).toMatchObject({ code: "keycloak_unavailable" })
    expect(realm.requests(paths.create)).toBe(0)
    expect(noticed()).toEqual([])
  })
})
