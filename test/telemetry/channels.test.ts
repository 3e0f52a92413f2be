import { AsyncLocalStorage } from "node:async_hooks"
import { type TracingChannel, tracingChannel } from "node:diagnostics_channel"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  createGate,
  type Gate,
  type KeycloakMessage,
  type MemoryUser,
  memoryUserStore,
  type VerbMessage,
  type VerifyMessage,
} from "../../src/index.js"
import { answerLate, answerWith, hangBeforeHeaders, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

interface Seen<Message> {
  readonly step: string
  /** As it was when it was published. */
  readonly message: Message
}

const open: (() => unknown)[] = []
let realm: FaultyRealm
let gate: Gate<MemoryUser>
beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = createGate({
    ...realm.gateOptions,
    userStore: memoryUserStore(),
    timeoutMs: 2000,
    onEvent: () => undefined,
  })
})
afterEach(async () => {
  for (const close of open.splice(0)) close()
  await gate.close()
  await realm.close()
})

const steps = ["start", "end", "asyncStart", "asyncEnd", "error"] as const

/** Everything that is published on a channel. */
function listen<Message extends object>(name: string): Seen<Message>[] {
  const seen: Seen<Message>[] = []
  const channel: TracingChannel<unknown, Message> = tracingChannel(`keycloak-gate:${name}`)
  for (const step of steps) {
    const hear = (message: unknown) => void seen.push({ step, message: structuredClone(message as Message) })
    channel[step].subscribe(hear)
    open.push(() => channel[step].unsubscribe(hear))
  }
  return seen
}

function ended<Message>(seen: readonly Seen<Message>[]): readonly Message[] {
  return seen.flatMap(({ step, message }) => (step === "asyncEnd" ? [message] : []))
}

const ada = { username: "ada", password: secrets.password }

describe("keycloak-gate:verify", () => {
  it("tells of each header and token, remembered ones too, in the order of a tracing channel", async () => {
    const seen = listen<VerifyMessage>("verify")
    const token = await realm.mint()
    await gate.verifyBearer(`Bearer ${token}`)
    await gate.verifyBearer(`Bearer ${token}`)
    await gate.verifyToken(token)
    await gate.verifyBearer(undefined)
    expect(seen.map(({ step }) => step)).toEqual(Array(4).fill(["start", "end", "asyncStart", "asyncEnd"]).flat())
    expect(seen[0]?.message).toEqual({ realm: "shop", code: null, reason: null, durationSeconds: null })
    for (const message of ended(seen))
      expect(message).toEqual({ realm: "shop", code: null, reason: null, durationSeconds: expect.any(Number) })
  })

  it("tells the code and the reason of a refusal, and no more of it", async () => {
    const seen = listen<VerifyMessage>("verify")
    await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint({ exp: 1 })}`))
    await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint()}`, { realmRoles: ["admin"] }))
    await refusalOf(gate.verifyBearer(undefined, {}))
    expect(ended(seen)).toMatchObject([
      { code: "invalid_token", reason: "expired" },
      { code: "insufficient_scope", reason: null },
      { code: "credentials_missing", reason: null },
    ])
    expect(seen.filter(({ step }) => step === "error")).toHaveLength(3)
  })

  it("knows an explicit undefined from no requirements, with listeners and without", async () => {
    const header = `Bearer ${await realm.mint()}`
    for (const _ of ["nobody listens", "somebody listens"]) {
      expect(await gate.verifyBearer(header)).not.toBeNull()
      expect(await refusalOf(gate.verifyBearer(header, undefined as never))).toMatchObject({ code: "config_invalid" })
      expect(await refusalOf(gate.verifyToken("", undefined as never))).toMatchObject({ code: "config_invalid" })
      expect(await gate.verifyBearer(header, {})).not.toBeNull()
      listen("verify")
    }
  })

  it('calls what the store threw "other"', async () => {
    const userStore = { ...memoryUserStore(), saveUser: () => Promise.reject(new Error(secrets.email)) }
    const broken = createGate({ ...realm.gateOptions, userStore })
    open.push(broken.close)
    const seen = listen<VerifyMessage>("verify")
    await broken.verifyBearer(`Bearer ${await realm.mint()}`).catch(() => undefined)
    expect(ended(seen)).toMatchObject([{ code: "other", reason: null }])
    expect(secretsIn(seen)).toEqual([])
  })

  it("tells of what an adapter recalls, too", async () => {
    const withoutRows = createGate(realm.gateOptions)
    open.push(withoutRows.close)
    const header = `Bearer ${await realm.mint()}`
    await withoutRows.verifyBearer(header)
    const { recallBy } = await import("../../src/gate-internals.js")
    expect(recallBy(withoutRows, header)).not.toBeNull()
    listen("verify")
    expect(recallBy(withoutRows, header)).toBeNull()
  })
})

describe("keycloak-gate:verb", () => {
  it("tells the name, the outcome, and what of a login's time was Keycloak's", async () => {
    await gate.loginWithPassword(ada)
    realm.breakWith(answerLate(400), { at: paths.token })
    const seen = listen<VerbMessage>("verb")
    await gate.loginWithPassword(ada)
    const [message] = ended(seen)
    expect(message).toMatchObject({ realm: "shop", name: "loginWithPassword", code: null, keycloak: { requests: 1 } })
    expect(message?.durationSeconds).toBeGreaterThan(0.39)
    expect(message?.keycloak.seconds).toBeGreaterThan(0.39)
    expect(message?.keycloak.seconds).toBeLessThanOrEqual(message?.durationSeconds ?? 0)
  })

  it("counts every request of a verb as its own, and those of others as theirs", async () => {
    const verbs = listen<VerbMessage>("verb")
    const requests = listen<KeycloakMessage>("keycloak")
    const person = {
      username: "traced",
      email: secrets.email,
      firstName: "T",
      lastName: "R",
      password: secrets.password,
    }
    await Promise.all([gate.registerUser(person), gate.loginWithPassword(ada), refusalOf(gate.logout("x.y.z"))])
    const counted = Object.fromEntries(ended(verbs).map(({ name, keycloak }) => [name, keycloak.requests]))
    expect(counted).toMatchObject({ loginWithPassword: 1, logout: 1 })
    expect(counted.registerUser).toBeGreaterThan(2)
    expect(Object.values(counted).reduce((sum, one) => sum + one, 0)).toBe(ended(requests).length)
  })

  it("tells the code of what was refused", async () => {
    const seen = listen<VerbMessage>("verb")
    await refusalOf(gate.loginWithPassword({ ...ada, password: "wrong" }))
    await refusalOf(gate.refreshSession(""))
    expect(ended(seen)).toMatchObject([
      { name: "loginWithPassword", code: "invalid_credentials", keycloak: { requests: 1 } },
      { name: "refreshSession", code: "invalid_request", keycloak: { requests: 0, seconds: 0 } },
    ])
  })
})

describe("keycloak-gate:keycloak", () => {
  it("tells what was asked, how, where, and what was answered", async () => {
    const seen = listen<KeycloakMessage>("keycloak")
    await gate.loginWithPassword(ada)
    await refusalOf(gate.loginWithPassword({ ...ada, password: "wrong" }))
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    const { port } = new URL(realm.url)
    const at = {
      serverAddress: "127.0.0.1",
      serverPort: Number(port),
      failure: null,
      waitedSeconds: expect.any(Number),
    }
    const token = { endpoint: "token", method: "POST", urlTemplate: "/realms/{realm}/protocol/openid-connect/token" }
    const certs = { endpoint: "keys", method: "GET", urlTemplate: "/realms/{realm}/protocol/openid-connect/certs" }
    expect(ended(seen)).toMatchObject([
      { ...at, ...token, status: 200 },
      { ...at, ...token, status: 400 },
      { ...at, ...certs, status: 200 },
    ])
  })

  it.each([
    ["nothing in time", hangBeforeHeaders, "timeout"],
    ["a reset connection", reset, "ECONNRESET"],
  ])("says why there was no answer: %s", async (_, fault, failure) => {
    realm.breakWith(fault, { at: paths.token })
    const hasty = createGate({ ...realm.gateOptions, timeoutMs: 300, onEvent: () => undefined })
    open.push(hasty.close)
    const seen = listen<KeycloakMessage>("keycloak")
    await refusalOf(hasty.loginWithPassword(ada))
    expect(ended(seen)).toMatchObject([{ status: null, failure, code: "keycloak_unavailable" }])
  })

  it("tells the status of a bad answer", async () => {
    realm.breakWith(answerWith({ status: 503, body: "" }), { at: paths.token })
    const seen = listen<KeycloakMessage>("keycloak")
    await refusalOf(gate.loginWithPassword(ada))
    expect(ended(seen)).toMatchObject([{ status: 503, failure: null, code: "keycloak_unavailable" }])
  })

  it("says so where a request found no place", async () => {
    const narrow = createGate({
      ...realm.gateOptions,
      maxConcurrentRequests: 1,
      timeoutMs: 300,
      onEvent: () => undefined,
    })
    open.push(narrow.close)
    realm.breakWith(hangBeforeHeaders, { at: paths.token })
    const seen = listen<KeycloakMessage>("keycloak")
    await Promise.all([refusalOf(narrow.loginWithPassword(ada)), refusalOf(narrow.loginWithPassword(ada))])
    expect(
      ended(seen)
        .map(({ failure }) => failure)
        .sort(),
    ).toEqual(["overload", "timeout"])
  })

  it("holds no id and no name: paths of accounts have one template", async () => {
    const { subject } = await gate.registerUser({
      ...{
        username: "eve-traced",
        email: `eve-${secrets.email}`,
        firstName: "E",
        lastName: "V",
        password: secrets.password,
      },
    })
    const seen = listen<KeycloakMessage>("keycloak")
    await gate.updateAccount(subject, { firstName: "Eva" })
    await gate.setPassword(subject, secrets.password)
    await gate.logoutEverywhere(subject)
    await gate.deleteAccount(subject)
    const text = JSON.stringify(seen)
    expect(secretsIn(seen, { subject, username: "eve-traced", realm: "/shop" })).toEqual([])
    expect(text).toContain("/admin/realms/{realm}/users/{id}")
    expect(new Set(ended(seen).map(({ urlTemplate }) => urlTemplate)).size).toBeLessThan(8)
  })
})

describe("where nobody listens", () => {
  it("no verb runs in a context of its own, and nothing is published", async () => {
    const run = vi.spyOn(AsyncLocalStorage.prototype, "run")
    await gate.loginWithPassword(ada)
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    expect(run).not.toHaveBeenCalled()
    run.mockRestore()
  })
})

describe("a message", () => {
  it("holds no token, password, e-mail or secret, whatever was done", async () => {
    const all = [listen("verify"), listen("verb"), listen("keycloak")]
    const session = await gate.loginWithPassword(ada)
    await gate.verifyBearer(`Bearer ${session.accessToken}`)
    await gate.refreshSession(session.refreshToken)
    await gate.logout(session.refreshToken)
    await refusalOf(gate.sendPasswordReset(`${secrets.email}\u0000`))
    expect(all.every(seen => seen.length > 0)).toBe(true)
    expect(secretsIn(all, { username: '"ada"' })).toEqual([])
  })
})
