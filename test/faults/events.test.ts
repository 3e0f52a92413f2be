import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest"
import { createGate, type Gate, type GateEvent, type GateOptions } from "../../src/index.js"
import { answerWith, hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"
import { forge } from "../support/sign-by-hand.ts"

let realm: FaultyRealm
const gates: Gate<null>[] = []
beforeEach(async () => {
  realm = await startFaultyRealm()
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const gate of gates.splice(0)) await gate.close()
  await realm.close()
})

function makeGate(onEvent?: (event: GateEvent) => unknown, options: Partial<GateOptions<never>> = {}): Gate<null> {
  const gate = createGate({ ...realm.gateOptions, onEvent, ...options, userStore: undefined })
  gates.push(gate)
  return gate
}

const ada = { username: "ada", password: secrets.password }
const logIn = (gate: Gate<null>) => gate.loginWithPassword(ada)
const refuse = (gate: Gate<null>, token: string) => refusalOf(gate.verifyBearer(`Bearer ${token}`))
const isOf = (type: GateEvent["type"]) => (event: GateEvent) => event.type === type

/** One refusal of each kind that somebody should mend, and of some that nobody can. */
async function refuseAll(gate: Gate<null>): Promise<void> {
  await gate.verifyBearer(`Bearer ${await realm.mint()}`) // the keys
  const elsewhere = await realm.mint({ iss: "https://elsewhere.example.test/realms/shop" })
  const audience = await realm.mint({ aud: "account" })
  const expired = await realm.mint({ exp: 1 })
  for (const token of [elsewhere, audience, expired]) await refuse(gate, token)
  await refusalOf(gate.verifyBearer(null, {}))
  await refusalOf(gate.loginWithPassword({ username: "", password: secrets.password }))
}

/** Two calls in an outage, and one after it. */
async function outage(gate: Gate<null>): Promise<void> {
  await realm.goDown()
  for (let calls = 0; calls < 2; calls++) await refusalOf(logIn(gate))
  await realm.heal()
  await logIn(gate)
}

describe("onEvent", () => {
  it("hears each refusal as the very error that was thrown, with its message", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event))
    const error = await refuse(gate, await realm.mint({ aud: "account" }))
    expect(heard).toEqual([{ type: "refusal", error }])
    expect(heard[0]).toHaveProperty("error.message", error.message)
    expect(error.message).toContain("audience")
    await refuseAll(gate)
    expect(heard.slice(1).map(event => "error" in event && [event.error.code, event.error.reason])).toEqual([
      ["invalid_token", "issuer"],
      ["invalid_token", "audience"],
      ["invalid_token", "expired"],
      ["credentials_missing", undefined],
      ["invalid_request", undefined],
    ])
  })

  it("hears of each outage once, and of its end with the number of calls that it refused", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event))
    const before = Date.now()
    await outage(gate)
    const down = { type: "keycloak_down", endpoints: ["token"], error: { code: "keycloak_unavailable" } }
    expect(heard).toMatchObject([down, { type: "keycloak_up", refused: 2 }])
    expect(heard[0]).toHaveProperty("since")
    const [{ since } = { since: null }, { downSince } = { downSince: null }] = heard as never[]
    expect(Number(since)).toBeGreaterThanOrEqual(before)
    expect(downSince).toEqual(since)
    await outage(gate)
    expect(heard.map(({ type }) => type)).toEqual(["keycloak_down", "keycloak_up", "keycloak_down", "keycloak_up"])
  })

  it("hears of a 429 and of an answer that says nothing as refusals: neither is an outage", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event))
    realm.breakWith(answerWith({ status: 429 }), { times: 1 })
    await refusalOf(logIn(gate))
    realm.breakWith(answerWith({ status: 200, headers: { "content-type": "application/json" }, body: "{}" }))
    await refusalOf(logIn(gate))
    expect(heard.map(({ type }) => type)).toEqual(["refusal", "refusal"])
    expect(gate.health().keycloak).toBe("up")
  })

  it.each<[string, Partial<GateOptions<never>>]>([
    ["local", { verification: "local" }],
    ["introspection", { verification: "introspection" }],
    ["userinfo", { verification: "userinfo" }],
  ])(
    "hears one word of a Keycloak that hangs, whoever waits for it and in whatever line, in the mode %s",
    async (_, mode) => {
      const heard: GateEvent[] = []
      const gate = makeGate(event => heard.push(event), { ...mode, timeoutMs: 500, maxConcurrentRequests: 4 })
      const [same, ...others] = await Promise.all(Array.from({ length: 20 }, () => realm.mint()))
      realm.breakWith(hangBeforeHeaders)
      const refusals = [...Array(30).fill(same), ...others].map(token => refuse(gate, token))
      expect(new Set((await Promise.all(refusals)).map(({ code }) => code))).toEqual(new Set(["keycloak_unavailable"]))
      await delay(200) // more than what the limits of those who waited differ by
      expect(heard.map(({ type }) => type)).toEqual(["keycloak_down"])
      await realm.heal()
      await gate.verifyBearer(`Bearer ${same}`, {})
      expect(heard[1]).toMatchObject({ type: "keycloak_up", refused: refusals.length })
    },
  )

  it("hears nothing of what went well, nor of calls after close()", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event))
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    expect(await gate.verifyBearer(null)).toBeNull()
    await gate.close()
    await refusalOf(gate.verifyBearer(null))
    expect(heard).toEqual([])
  })

  /** What `await` takes for a promise. */
  const thenable = (then: PropertyDescriptor) => Object.defineProperty({}, ["th", "en"].join(""), then)
  const throws = () => {
    throw loud
  }
  const loud = new Error(`the log is full of ${secrets.email}`)
  it.each<[string, () => unknown]>([
    ["throws", throws],
    ["rejects", () => Promise.reject(loud)],
    [
      "returns a thenable that rejects",
      () => thenable({ value: (_: unknown, reject: (error: Error) => void) => reject(loud) }),
    ],
    ["returns a thenable that throws", () => thenable({ value: throws })],
    ["returns what throws when it is looked at", () => thenable({ get: throws })],
    [
      "throws what can't be looked at",
      () => {
        throw new Proxy(loud, { get: () => expect.unreachable("looked at"), getPrototypeOf: () => Error.prototype })
      },
    ],
    [
      "throws a text",
      () => {
        throw secrets.email
      },
    ],
  ])("changes no outcome when it %s; the process hears of it, and not what was thrown", async (_, onEvent) => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const gate = makeGate(onEvent)
    expect(await refuse(gate, await realm.mint({ aud: "account" }))).toMatchObject({ reason: "audience" })
    await gate.verifyBearer(`Bearer ${await realm.mint()}`, {})
    await expect.poll(() => warned.mock.calls.length).toBe(1)
    expect(warned.mock.calls[0]?.[1]).toMatchObject({ code: "onEvent" })
    expect(secretsIn(warned.mock.calls)).toEqual([])
  })

  it("is warned of once a minute at most, however often it fails", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    vi.useFakeTimers({ toFake: ["performance"] })
    const gate = makeGate(() => Promise.reject(loud))
    const expired = await realm.mint({ exp: 1 })
    for (let calls = 0; calls < 50; calls++) await refuse(gate, expired)
    await expect.poll(() => warned.mock.calls.length).toBe(1)
    vi.advanceTimersByTime(60_000)
    await refuse(gate, expired)
    await expect.poll(() => warned.mock.calls.length).toBe(2)
  })
})

describe("without onEvent", () => {
  let warned: MockInstance<typeof process.emitWarning>
  const codes = () => warned.mock.calls.map(([, options]) => (options as { code?: string }).code)
  beforeEach(() => {
    warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
  })

  it("each kind of what somebody should mend is warned of once, however often it happens", async () => {
    const gate = makeGate()
    await refuseAll(gate)
    await refuseAll(gate)
    expect(codes()).toEqual(["invalid_token:issuer", "invalid_token:audience"])
  })

  it("a second gate of the process does not repeat what the first has warned of", async () => {
    await refuseAll(makeGate())
    await realm.goDown()
    await refusalOf(logIn(makeGate()))
    const before = codes()
    expect(before.at(-1)).toBe("keycloak_down")
    await refusalOf(logIn(makeGate()))
    await realm.heal()
    await refuseAll(makeGate())
    expect(codes()).toEqual(before)
  })

  it("each outage is warned of, and each end of one; the first line says what is wrong, and where", async () => {
    const gate = makeGate()
    await outage(gate)
    await outage(gate)
    expect(codes()).toEqual(["keycloak_down", "keycloak_up", "keycloak_down", "keycloak_up"])
    const [first = ""] = String(warned.mock.calls[0]?.[0]).split("\n")
    expect(first).toContain(realm.url)
    expect(first).toMatch(/ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET/)
    expect(String(warned.mock.calls[1]?.[0])).toMatch(/refused: 2/)
  })

  it("what an outage causes beside it is not warned of on its own", async () => {
    const gate = makeGate(undefined, { verification: { mode: "local", recheckSeconds: 0.001 }, timeoutMs: 1000 })
    const token = await realm.mint()
    await gate.verifyBearer(`Bearer ${token}`)
    await realm.goDown()
    await expect
      .poll(async () => {
        await gate.verifyBearer(`Bearer ${token}`)
        return codes()
      })
      .toEqual(["keycloak_down"])
    await refusalOf(logIn(gate))
    expect(codes()).toEqual(["keycloak_down"])
  })

  it.each(["local", "introspection", "userinfo"] as const)(
    "tokens that nobody has proven word no warning and use none up, in the mode %s",
    async verification => {
      const gate = makeGate(undefined, { verification })
      const text = "written-by-a-stranger"
      await gate.verifyBearer(`Bearer ${await realm.mint()}`)
      const foreign = [
        { iss: text },
        { aud: text, azp: text },
        { sub: undefined, azp: text },
        { typ: text },
        { iat: 1e11 },
      ]
      for (const claims of foreign) await refuse(gate, forge(await realm.mint(claims), text))
      expect(JSON.stringify(warned.mock.calls)).not.toContain(text)

      const isAsked = verification === "introspection"
      await refuse(gate, await realm.mint({ aud: "account" }))
      const told = warned.mock.calls.filter(([message]) => String(message).includes("audience"))
      expect(told.length).toBe(1)
      if (!isAsked) expect(codes()).toEqual(["invalid_token:audience"])
    },
  )

  it("tokens of another issuer are warned of without their text before there are keys, and with it once it is proven", async () => {
    const gate = makeGate()
    const text = "https://written-by-a-stranger.example.test/realms/shop"
    await refuse(gate, forge(await realm.mint({ iss: text }), "x"))
    await refuse(gate, forge(await realm.mint({ iss: text }), "y"))
    expect(codes()).toEqual(["invalid_token:issuer"])
    expect(JSON.stringify(warned.mock.calls)).not.toContain(text)
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    const own = "https://sso.internal.example.test/realms/shop"
    await refuse(gate, await realm.mint({ iss: own }))
    expect(codes()).toEqual(["invalid_token:issuer", "invalid_token:issuer"])
    expect(String(warned.mock.calls[1]?.[0])).toContain(own)
  })

  it("different faults of a set-up are warned of each, and each once", async () => {
    const json = { "content-type": "application/json" }
    const faults = [
      { error: "invalid_client", error_description: "Client authentication failed." },
      { error: "unauthorized_client", error_description: "Client not allowed for direct access grants" },
    ].map(body => answerWith({ status: 401, headers: json, body: JSON.stringify(body) }))
    const gate = makeGate()
    for (const fault of [...faults, ...faults]) {
      realm.breakWith(fault, { at: paths.token, times: 1 })
      expect(await refusalOf(logIn(gate))).toMatchObject({ code: "keycloak_refused_us" })
    }
    expect(codes()).toEqual(["keycloak_refused_us", "keycloak_refused_us"])
  })
})

describe("a clock that may be ahead", () => {
  const minute = 60_000
  const ahead = (ms: number) => vi.setSystemTime(Date.now() + ms)

  it("is told once when several tokens were refused as expired and none was accepted, and again after one was", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event))
    const doubts = () => heard.filter(isOf("clock_doubtful"))
    await gate.verifyBearer(`Bearer ${await realm.mint()}`) // the keys
    vi.useFakeTimers({ toFake: ["Date"] })
    for (let episodes = 1; episodes <= 2; episodes++) {
      const tokens = await Promise.all(Array.from({ length: 5 }, () => realm.mint()))
      await gate.verifyBearer(`Bearer ${await realm.mint()}`)
      ahead(60 * minute)
      for (const token of tokens) expect(await refuse(gate, token)).toMatchObject({ reason: "expired" })
      expect(doubts().length).toBe(episodes)
    }
    expect(doubts()).toMatchObject(Array(2).fill({ error: { code: "invalid_token", reason: "expired" } }))
  })

  it("is not told for one old token that comes again and again, nor while others are accepted, nor for forged ones", async () => {
    const heard: GateEvent[] = []
    const gate = makeGate(event => heard.push(event), { verifiedTokenCache: false })
    const old = await realm.mint({ exp: 1 })
    for (let times = 0; times < 10; times++) await refuse(gate, old)
    for (let times = 0; times < 10; times++) {
      await refuse(gate, await realm.mint({ exp: times }))
      if (times % 2 === 0) await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    }
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    for (let times = 0; times < 10; times++) await refuse(gate, forge(await realm.mint({ exp: times }), "x"))
    expect(heard.filter(isOf("clock_doubtful"))).toEqual([])
  })

  it("is warned of without onEvent, with the difference where Keycloak has shown its clock", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const gate = makeGate()
    const tokens = await Promise.all(Array.from({ length: 3 }, () => realm.mint()))
    await logIn(gate)
    vi.useFakeTimers({ toFake: ["Date"] })
    ahead(60 * minute)
    for (const token of tokens) await refuse(gate, token)
    expect(warned.mock.calls).toMatchObject([
      [expect.stringMatching(/3(599|600|601) s ahead/), { code: "clock_doubtful" }],
    ])
  })
})

describe("health()", () => {
  it("tells what is known, and asks nobody", async () => {
    const gate = makeGate(() => undefined)
    const nothing = { since: null, keys: null, unfinished: 0, recheckBacklog: 0, shared: null }
    expect(gate.health()).toEqual({ keycloak: "unknown", ...nothing })
    const before = Date.now()
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    const asked = realm.requests()
    const { keycloak, since, keys } = gate.health()
    expect([keycloak, realm.requests()]).toEqual(["up", asked])
    expect(Number(since)).toBeGreaterThanOrEqual(before)
    expect(keys?.ageSeconds).toBeLessThan(60)
    expect(keys?.usableForSeconds).toBeGreaterThan(600)
    await realm.goDown()
    await refusalOf(logIn(gate))
    const down = gate.health()
    expect(down.keycloak).toBe("down")
    expect(Number(down.since)).toBeGreaterThanOrEqual(Number(since))
    await realm.heal()
    await logIn(gate)
    expect(gate.health().keycloak).toBe("up")
  })
})
