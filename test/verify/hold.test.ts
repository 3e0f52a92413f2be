import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GateError, invalidToken } from "../../src/errors.js"
import type { GateEvent } from "../../src/events.js"
import { parseClaims } from "../../src/verify/claims.js"
import { createHolds, type HoldEnd, type HoldOptions, type HoldParts } from "../../src/verify/hold.js"
import { type Principal, toPrincipal } from "../../src/verify/principal.js"
import type { VerifyBareToken } from "../../src/verify/verify-bearer.js"
import { createQuietCall } from "../../src/watch/quiet-call.js"
import { refusalOf } from "../support/refusal-of.ts"

const issuer = "https://sso.example.test/realms/shop"
const day = 86_400

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

interface Claimed {
  readonly sub?: string
  readonly sid?: string
  readonly seconds?: number
  readonly name?: string
}

/** A token of a person; it is its own payload, in a world where nobody signs. */
function tokenOf({ sub = "ada", sid = "s1", seconds = 300, name = "t" }: Claimed = {}): string {
  return JSON.stringify({ sub, sid, exp: Date.now() / 1000 + seconds, jti: name })
}

interface World extends Partial<Pick<HoldParts<null>, "askAgain" | "clockToleranceSeconds" | "assertOpen">> {
  readonly verifyToken?: (token: string) => void
}

function setUp({ verifyToken, ...changes }: World = {}) {
  const ended: HoldEnd[] = []
  const events: GateEvent[] = []
  const required: unknown[] = []
  const refused = vi.fn()
  const verify = async (token: string | null | undefined, ...requirements: unknown[]): Promise<Principal<null>> => {
    required.push(requirements)
    if (!token) throw new GateError("credentials_missing", "x")
    verifyToken?.(token)
    const claims = { iss: issuer, typ: "Bearer", aud: "shop-api", ...JSON.parse(token) }
    const expected = { issuer, audience: "shop-api", clockToleranceSeconds: 5, now: Date.now }
    return toPrincipal(parseClaims(claims, expected), token)
  }
  const holds = createHolds<null>({
    verifyToken: verify as VerifyBareToken<null>,
    assertOpen: () => undefined,
    askAgain: null,
    clockToleranceSeconds: 0,
    report: event => events.push(event),
    refused,
    tell: (onEnd, reason) => createQuietCall("onEnd", () => performance.now())(onEnd, reason, "the end"),
    now: () => Date.now(),
    elapsed: () => performance.now(),
    ...changes,
  })
  const hold = (claimed?: Claimed, more: Partial<HoldOptions> = {}) =>
    holds.hold(tokenOf(claimed), { onEnd: reason => void ended.push(reason), ...more })
  return { holds, hold, ended, events, required, refused }
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000)

describe("a hold", () => {
  it("ends once when its token expires, and no earlier", async () => {
    const { hold, ended } = setUp()
    await hold({ seconds: 300 })
    await pass(299.9)
    expect(ended).toEqual([])
    await pass(0.2)
    expect(ended).toEqual(["expired"])
    await pass(3600)
    expect(ended).toEqual(["expired"])
  })

  it("goes on for clockToleranceSeconds, as a request would be let in for", async () => {
    const { hold, ended } = setUp({ clockToleranceSeconds: 20 })
    await hold({ seconds: 300 })
    await pass(319)
    expect(ended).toEqual([])
    await pass(2)
    expect(ended).toEqual(["expired"])
  })

  it.each([25, 400, 40_000])("lives for a token of %d days, which no single timer could wait for", async days => {
    const setTimer = vi.spyOn(globalThis, "setTimeout")
    const { hold, ended } = setUp()
    const held = await hold({ seconds: days * day })
    await pass(3600)
    expect(ended).toEqual([])
    expect(setTimer.mock.calls.every(([, ms]) => Number(ms) >= 1 && Number(ms) < 2 ** 31)).toBe(true)
    vi.setSystemTime(Date.now() + days * day * 1000)
    await pass(61)
    expect(ended).toEqual(["expired"])
    held.close()
  })

  it("goes by the wall clock: set back it lives longer, set ahead it ends within a minute", async () => {
    const { hold, ended } = setUp()
    await hold({ seconds: 300 })
    vi.setSystemTime(Date.now() - 3_600_000)
    await pass(600)
    expect(ended).toEqual([])
    vi.setSystemTime(Date.now() + 3_600_000)
    await pass(60)
    expect(ended).toEqual(["expired"])
  })

  it("holds no process: its timer is unref'd, and gone with its end", async () => {
    const { hold, holds } = setUp()
    const timers = vi.spyOn(globalThis, "setTimeout")
    const first = await hold()
    const timer = timers.mock.results.at(-1)?.value as NodeJS.Timeout
    expect(timer.hasRef()).toBe(false)
    first.close()
    await hold()
    holds.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it("says nothing after its own close(), whatever comes", async () => {
    const { hold, holds, ended } = setUp()
    const held = await hold()
    held.close()
    held.close()
    await pass(day)
    holds.revoke(() => true)
    holds.close()
    expect(ended).toEqual([])
  })

  it("ends with `closed` when the gate does, each of them", async () => {
    const { hold, holds, ended } = setUp()
    await hold({ sub: "ada" })
    await hold({ sub: "bob" })
    holds.close()
    holds.close()
    expect(ended).toEqual(["closed", "closed"])
  })

  it("is not begun by a token that was verified while the gate closed", async () => {
    let isOpen = true
    const { hold, ended } = setUp({
      verifyToken() {
        isOpen = false
      },
      assertOpen() {
        if (!isOpen) throw new GateError("closed", "x")
      },
    })
    expect(await refusalOf(hold())).toMatchObject({ code: "closed" })
    expect(vi.getTimerCount()).toBe(0)
    expect(ended).toEqual([])
  })

  it("is not begun by a token that was revoked while it was verified, as while its row is read", async () => {
    const { holds, hold, ended, refused } = setUp({
      verifyToken: token => holds.revoke(({ subject }) => subject === "ada" && token.includes("s1")),
    })
    expect(await refusalOf(hold())).toMatchObject({ code: "invalid_token", reason: "revoked" })
    expect(refused).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
    await hold({ sid: "s2" })
    expect(ended).toEqual([])
  })

  it("ends with `revoked` where that is true of it, and the others go on", async () => {
    const { hold, holds, ended } = setUp()
    await hold({ sub: "ada" })
    const other = await hold({ sub: "bob" })
    holds.revoke(({ subject }) => subject === "ada")
    expect(ended).toEqual(["revoked"])
    expect(other.principal.subject).toBe("bob")
    await other.renew(tokenOf({ sub: "bob", seconds: 600 }))
  })

  it.each([
    ["throws", () => expect.fail("x")],
    ["rejects", () => Promise.reject(new TypeError("x"))],
    ["returns a thenable that throws", () => new Proxy({}, { get: () => expect.fail("x") })],
  ])("ends all the same where onEnd %s, and the log hears of it without what was thrown", async (_, onEnd) => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
    const { hold, holds, ended } = setUp()
    await hold({}, { onEnd })
    await hold()
    holds.close()
    await pass(1)
    expect(ended).toEqual(["closed"])
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining("onEnd failed"), expect.objectContaining({ code: "onEnd" })],
    ])
    warn.mockRestore()
  })
})

describe("hold() refuses", () => {
  it.each([
    ["no options", undefined],
    ["null", null],
    ["no onEnd", {}],
    ["an onEnd that is no function", { onEnd: "close" }],
    ["an option that it does not know", { onEnd() {}, onend() {} }],
    ["options that are a function", () => undefined],
  ])("%s, with config_invalid", async (_, options) => {
    const { holds } = setUp()
    expect(await refusalOf(holds.hold(tokenOf(), options as HoldOptions))).toMatchObject({ code: "config_invalid" })
    expect(vi.getTimerCount()).toBe(0)
  })

  it("what verifyToken refuses, and holds nothing then", async () => {
    const { holds, ended } = setUp()
    expect(await refusalOf(holds.hold(null, { onEnd: () => ended.push("expired") }))).toMatchObject({
      code: "credentials_missing",
    })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe("requirements of a hold", () => {
  it("are handed to the verification of the first token and of each newer one, undefined ones too", async () => {
    const { hold, required } = setUp()
    const requirements = { realmRoles: ["editor"] }
    const held = await hold({}, { requirements })
    await held.renew(tokenOf({ seconds: 600 }))
    await hold()
    await hold({}, { requirements: undefined as never })
    expect(required).toEqual([[requirements], [requirements], [], [undefined]])
  })
})

describe("renew()", () => {
  it("goes on with the newer token, which may be of another session", async () => {
    const { hold, ended } = setUp()
    const held = await hold({ seconds: 300 })
    await pass(200)
    expect((await held.renew(tokenOf({ seconds: 300, sid: "s2" }))).claims.sid).toBe("s2")
    expect(held.principal.claims.sid).toBe("s2")
    await pass(299)
    expect(ended).toEqual([])
    await pass(2)
    expect(ended).toEqual(["expired"])
  })

  it.each([
    ["somebody else's", () => tokenOf({ sub: "bob", seconds: 600 })],
    ["the same token", () => tokenOf({ seconds: 100 })],
    ["one that expires earlier", () => tokenOf({ seconds: 50 })],
    ["an expired one", () => tokenOf({ seconds: -60 })],
    ["none", () => null],
  ])("refuses %s and leaves the hold as it was", async (_, newer) => {
    const { hold, ended } = setUp()
    const held = await hold({ seconds: 100 })
    const before = held.principal
    const error = await refusalOf(held.renew(newer()))
    expect(["invalid_token", "credentials_missing"]).toContain((error as GateError).code)
    expect(held.principal).toBe(before)
    await pass(99)
    expect(ended).toEqual([])
    await pass(2)
    expect(ended).toEqual(["expired"])
  })

  it("refuses a client's own token for a person's", async () => {
    const { hold, holds, refused } = setUp()
    const held = await hold({ sub: "ada" })
    const service = JSON.stringify({ sub: "ada", exp: Date.now() / 1000 + 600, client_id: "shop-api" })
    expect((await holds.hold(service, { onEnd() {} })).principal.kind).toBe("service")
    expect(await refusalOf(held.renew(service))).toMatchObject({ code: "invalid_token", reason: "claims" })
    expect(refused).toHaveBeenCalledOnce()
  })

  it("of two at once keeps the later token, in whatever order they are verified", async () => {
    const { hold } = setUp()
    const held = await hold({ seconds: 100 })
    const both = [held.renew(tokenOf({ seconds: 300 })), held.renew(tokenOf({ seconds: 200 }))]
    const outcomes = (await Promise.allSettled(both)).map(({ status }) => status)
    expect(outcomes).toEqual(["fulfilled", "rejected"])
    expect(held.principal.claims.exp).toBe(Date.now() / 1000 + 300)
  })

  it("refuses a token that was revoked while it was verified, and goes on as it was", async () => {
    const { holds, hold, ended } = setUp({
      verifyToken: token => token.includes("s2") && holds.revoke(principal => principal.claims.sid === "s2"),
    })
    const held = await hold()
    expect(await refusalOf(held.renew(tokenOf({ sid: "s2", seconds: 600 })))).toMatchObject({ reason: "revoked" })
    expect([held.principal.claims.sid, ended]).toEqual(["s1", []])
  })

  it("is session_ended once the hold has ended, also where it ends meanwhile", async () => {
    const { hold, holds } = setUp({ verifyToken: token => token.includes("late") && holds.revoke(() => true) })
    const first = await hold()
    first.close()
    expect(await refusalOf(first.renew(tokenOf({ seconds: 600 })))).toMatchObject({ code: "session_ended" })
    const second = await hold()
    expect(await refusalOf(second.renew(tokenOf({ seconds: 600, name: "late" })))).toMatchObject({
      code: "session_ended",
    })
  })
})

describe("a hold about which Keycloak is asked", () => {
  /** A Keycloak that takes all tokens but those with these names. */
  function setUpAsking({ isDueAtOnce = false, everySeconds = 30 } = {}) {
    const asked: string[] = []
    const inactive = new Set<string>()
    const server = { failure: null as unknown, hangs: false, answer: (): void => undefined }
    let underWay = 0
    const most = { underWay: 0 }
    const world = setUp({
      askAgain: {
        everySeconds,
        isDueAtOnce,
        async ask({ claims }) {
          asked.push(String(claims.jti))
          underWay += 1
          most.underWay = Math.max(most.underWay, underWay)
          try {
            if (server.hangs)
              await new Promise<void>(resolve => {
                const { answer } = server
                server.answer = () => {
                  answer()
                  resolve()
                }
              })
            if (server.failure !== null) throw server.failure
            if (inactive.has(String(claims.jti))) throw invalidToken("revoked", "x")
          } finally {
            underWay -= 1
          }
        },
      },
    })
    return { ...world, asked, inactive, server, most }
  }

  it("is asked about every so many seconds, without any request", async () => {
    const { hold, asked, ended } = setUpAsking()
    await hold({ seconds: day })
    await pass(29)
    expect(asked).toHaveLength(0)
    await pass(2)
    expect(asked).toHaveLength(1)
    await pass(300)
    expect(asked.length).toBeGreaterThanOrEqual(10)
    expect(asked.length).toBeLessThanOrEqual(11)
    expect(ended).toEqual([])
  })

  it("is asked about at once where its verification asked nobody, and after a renewal", async () => {
    const { hold, asked } = setUpAsking({ isDueAtOnce: true })
    const held = await hold({ name: "first", seconds: 600 })
    await pass(0.1)
    await held.renew(tokenOf({ name: "second", seconds: 900 }))
    await pass(0.1)
    expect(asked).toEqual(["first", "second"])
  })

  it("ends with `revoked`, once, when Keycloak takes its token no longer", async () => {
    const { hold, inactive, ended, asked } = setUpAsking()
    await hold({ name: "one", seconds: 600 })
    await hold({ name: "two", seconds: 600 })
    inactive.add("one")
    await pass(31)
    expect(ended).toEqual(["revoked"])
    await pass(60)
    expect(ended).toEqual(["revoked"])
    expect(asked.filter(name => name === "one")).toHaveLength(1)
  })

  it("ends with `expired` where Keycloak's clock is a little ahead", async () => {
    const { hold, inactive, ended } = setUpAsking()
    await hold({ name: "one", seconds: 33 })
    inactive.add("one")
    await pass(31)
    expect(ended).toEqual(["expired"])
  })

  it("goes on through an outage, which is told once, and is asked about again", async () => {
    const { hold, server, inactive, ended, events, asked } = setUpAsking()
    await hold({ name: "one", seconds: day })
    server.failure = new GateError("keycloak_unavailable", "x")
    await pass(301)
    expect(ended).toEqual([])
    expect(events.map(({ type }) => type)).toEqual(["recheck_failed"])
    expect(asked.length).toBeGreaterThanOrEqual(9)
    server.failure = null
    inactive.add("one")
    await pass(31)
    expect(ended).toEqual(["revoked"])
  })

  it.each(["keycloak_refused_us", "config_invalid", "keycloak_unavailable"] as const)(
    "does not end where the question fails with %s",
    async code => {
      const { hold, server, ended } = setUpAsking()
      await hold({ seconds: day })
      server.failure = new GateError(code, "x")
      await pass(3600)
      expect(ended).toEqual([])
    },
  )

  it("does not end for an answer about the token that it had before", async () => {
    const { hold, server, inactive, ended } = setUpAsking()
    const held = await hold({ name: "old", seconds: 60 })
    server.hangs = true
    await pass(31)
    inactive.add("old")
    await held.renew(tokenOf({ name: "new", seconds: 600 }))
    server.answer()
    server.hangs = false
    await pass(100)
    expect(ended).toEqual([])
  })

  it("is one of few questions at a time, however many holds are due, and each has its turn", async () => {
    const { hold, holds, server, asked, most } = setUpAsking()
    for (let at = 0; at < 50; at++) await hold({ name: `t${at}`, seconds: day })
    server.hangs = true
    await pass(31)
    expect(holds.backlog()).toBeGreaterThan(40)
    server.hangs = false
    server.answer()
    await pass(1)
    expect(new Set(asked).size).toBe(50)
    expect(most.underWay).toBeLessThanOrEqual(4)
    expect(holds.backlog()).toBe(0)
  })

  it("is not asked about once it has ended, though its turn was near", async () => {
    const { hold, holds, server, asked } = setUpAsking()
    for (let at = 0; at < 10; at++) await hold({ name: `t${at}`, seconds: day })
    server.hangs = true
    await pass(31)
    holds.close()
    server.hangs = false
    server.answer()
    await pass(60)
    expect(asked).toHaveLength(4)
    expect(vi.getTimerCount()).toBe(0)
  })
})
