import { afterEach, describe, expect, it } from "vitest"
import { GateError } from "../../../src/errors.js"
import type { GateEvent } from "../../../src/events.js"
import { type Claims, parseClaims } from "../../../src/verify/claims.js"
import { createRecheck, type Recheck } from "../../../src/verify/session/recheck.js"

const issuer = "https://sso.example.test/realms/shop"
const recheckSeconds = 30
const opened: Recheck[] = []
afterEach(() => {
  for (const recheck of opened.splice(0)) recheck.close()
})

/** One process's look at a Keycloak that knows which tokens live, on a clock that stands. */
function setUp() {
  const time = { now: 1_800_000_000_000, elapsed: 5000 }
  const events: GateEvent[] = []
  const asked: string[] = []
  const inactive = new Set<string>()
  const held: (() => void)[] = []
  const server = {
    failure: null as GateError | null,
    hangs: false,
    letGo: () => held.splice(0).forEach(resolve => void resolve()),
  }
  const recheck = createRecheck({
    background: () => undefined,
    introspect: async token => {
      asked.push(token)
      if (server.hangs) await new Promise<void>(resolve => held.push(resolve))
      if (server.failure !== null) throw server.failure
      return { active: !inactive.has(token) }
    },
    introspectionUrl: `${issuer}/introspect`,
    clientId: "shop-api",
    recheckSeconds,
    report: event => events.push(event),
    now: () => time.now,
    elapsed: () => time.elapsed,
  })
  opened.push(recheck)

  /** A token of this name, issued now. */
  function issue(name: string, more: Record<string, unknown> = {}) {
    const iat = Math.floor(time.now / 1000)
    const payload = { iss: issuer, sub: "ada", typ: "Bearer", iat, exp: iat + 300, jti: name, sid: "s1", azp: "web" }
    const claims = parseClaims(
      { ...payload, aud: ["shop-api", "account"], ...more },
      { issuer, audience: null, clockToleranceSeconds: 5, now: () => time.now },
    )
    return { token: name, claims }
  }
  /** What a request with this token meets; the questions that it causes are answered before the next line. */
  async function request({ claims, token }: { claims: Claims; token: string }): Promise<string> {
    const met = verdict(claims, token)
    await settled()
    return met
  }
  function verdict(claims: Claims, token: string): string {
    try {
      recheck.see(claims, token)
      return "passes"
    } catch (error) {
      return String((error as GateError).reason)
    }
  }
  const pass = (seconds: number) => {
    time.now += seconds * 1000
    time.elapsed += seconds * 1000
  }
  return { time, events, asked, inactive, server, recheck, issue, request, pass }
}

/** Lets every promise settle that can without a socket or a timer. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

describe("how often Keycloak is asked", () => {
  it("is once at the first sight of a session, and then at most every recheckSeconds", async () => {
    const { asked, issue, request, pass } = setUp()
    const token = issue("t1")
    for (let second = 0; second < 60; second++) {
      await request(token)
      pass(1)
    }
    expect(asked).toEqual(["t1", "t1"])
  })

  it("is per session, whichever of its tokens comes", async () => {
    const { asked, issue, request, pass } = setUp()
    await request(issue("t1"))
    await request(issue("t2"))
    pass(30)
    await request(issue("t3"))
    await request(issue("t1"))
    expect(asked).toEqual(["t1", "t3"])
  })

  it("is about each token that is older than its last answer, since one can be revoked alone", async () => {
    const { asked, issue, request, pass } = setUp()
    const [first, second] = [issue("t1"), issue("t2")]
    await request(first)
    pass(20)
    await request(second) // issued less than 30 s ago, and the session was asked about
    pass(11)
    await request(second)
    await request(first)
    expect(asked).toEqual(["t1", "t2", "t1"])
  })

  it("is less for tokens of which each is used for a moment: they were active when they were issued", async () => {
    const { asked, issue, request, pass } = setUp()
    for (let second = 0; second < 60; second++) {
      await request(issue(`t${second}`))
      pass(1)
    }
    expect(asked).toEqual(["t0", "t30"])
  })

  it("is per client of one session, since Keycloak ends it for each on its own", async () => {
    const { asked, issue, request } = setUp()
    await request(issue("t1"))
    await request(issue("t2", { azp: "app" }))
    expect(asked).toEqual(["t1", "t2"])
  })

  it.each([
    ["without sid", { sid: undefined }, ["t1", "t2"]],
    ["with an empty sid", { sid: "" }, ["t1", "t2"]],
    ["with a sid that is no string", { sid: { a: 1 } }, ["t1", "t2"]],
    ["without sid and jti", { sid: undefined, jti: undefined }, ["t1", "t2"]],
    ["with an azp that is no string", { azp: { toString: 1 } }, ["t1"]],
  ])("is per token for tokens %s", async (_, claims, expected) => {
    const { asked, issue, request } = setUp()
    for (const name of ["t1", "t2", "t1"]) await request({ ...issue(name, claims), token: `${name}.signature` })
    expect(asked).toEqual(expected.map(name => `${name}.signature`))
  })

  it("is never twice at the same time about one session, however long an answer takes", async () => {
    const { asked, server, issue, request, pass } = setUp()
    server.hangs = true
    await request(issue("t1"))
    pass(120)
    await request(issue("t2"))
    expect(asked).toEqual(["t1"])
  })

  it("is at most 50 times in a second, with 8 under way, oldest first, and everybody has a turn", async () => {
    const { asked, issue, request, pass } = setUp()
    const names = Array.from({ length: 120 }, (_, index) => `t${index}`)
    for (const name of names) await request(issue(name, { sid: name }))
    await expect.poll(() => asked.length, { interval: 5 }).toBe(50)
    pass(0.999)
    await request(issue("t1", { sid: "t1" }))
    expect(asked).toHaveLength(50)
    pass(0.001)
    await expect.poll(() => asked.length, { interval: 5 }).toBe(100)
    pass(1)
    await expect.poll(() => asked.length, { interval: 5 }).toBe(120)
    expect(asked).toEqual(names)
  })

  it("is 8 times while no answer comes", async () => {
    const { asked, server, issue, request } = setUp()
    server.hangs = true
    for (let index = 0; index < 40; index++) await request(issue(`t${index}`, { sid: `s${index}` }))
    expect(asked).toHaveLength(8)
  })

  it.each([-3600, 3600])("is by a clock that nobody sets, here by %i s", async step => {
    const { time, asked, issue, request, pass } = setUp()
    const token = issue("t1", { exp: 1_900_000_000 })
    await request(token)
    time.now += step * 1000
    pass(29)
    await request(token)
    expect(asked).toEqual(["t1"])
    pass(1)
    await request(token)
    expect(asked).toEqual(["t1", "t1"])
  })

  it("does not end with a clock that begins anew", async () => {
    const { time, asked, issue, request } = setUp()
    const token = issue("t1")
    await request(token)
    time.elapsed = 0
    await request(token)
    expect(asked).toEqual(["t1", "t1"])
  })

  it("is no more for a session with many tokens, which takes turns with the others", async () => {
    const { asked, server, issue, request } = setUp()
    server.hangs = true
    const crowd = Array.from({ length: 700 }, (_, index) => issue(`crowd ${index}`, { iat: 1_799_999_000 }))
    for (const token of crowd) await request(token)
    expect(asked).toEqual(["crowd 0"])
    for (let index = 0; index < 7; index++) await request(issue(`t${index}`, { sid: `other ${index}` }))
    expect(asked).toEqual(["crowd 0", "t0", "t1", "t2", "t3", "t4", "t5", "t6"])
  })

  it("has places for 1000 sessions, whatever number of tokens one of them has", async () => {
    const { asked, server, issue, request, pass } = setUp()
    server.hangs = true
    for (let index = 0; index < 8; index++) await request(issue(`busy ${index}`, { sid: `busy ${index}` }))
    for (let index = 0; index < 1200; index++) await request(issue(`crowd ${index}`, { iat: 1_799_999_000 }))
    for (let index = 0; index < 600; index++) await request(issue(`t${index}`, { sid: `other ${index}` }))
    server.hangs = false
    server.letGo()
    for (let second = 0; second < 30; second++) {
      pass(1)
      await expect.poll(() => asked.length, { interval: 1 }).toBeGreaterThanOrEqual(Math.min(1008, 50 * (second + 1)))
    }
    expect(asked.filter(name => name.startsWith("crowd"))).toHaveLength(500)
    expect(asked.filter(name => name.startsWith("t"))).toHaveLength(500)
    expect(asked.indexOf("t499")).toBeLessThan(asked.indexOf("crowd 10"))
  })

  it("leaves out a token that only the tolerance keeps alive: Keycloak calls it inactive for that", async () => {
    const { asked, issue, request, pass } = setUp()
    const token = issue("t1", { exp: 1_800_000_010 })
    pass(10)
    expect(await request(token)).toBe("passes")
    expect(asked).toEqual([])
  })

  it("leaves such a token no longer than until Keycloak's last word on it is too old", async () => {
    const { asked, issue, request, pass } = setUp()
    const token = issue("t1", { exp: 1_800_000_025 })
    await request(token)
    pass(30)
    expect(await request(token)).toBe("passes")
    pass(0.001)
    expect(await request(token)).toBe("expired")
    expect(asked).toEqual(["t1"])
  })

  it("is not at all after close()", async () => {
    const { asked, recheck, issue, request, pass } = setUp()
    for (let index = 0; index < 60; index++) await request(issue(`t${index}`, { sid: `s${index}` }))
    recheck.close()
    pass(10)
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(asked).toHaveLength(50)
  })
})

describe("a session that Keycloak has ended", () => {
  it("passes until it was asked about, and is refused as revoked from then on", async () => {
    const { inactive, issue, request, pass } = setUp()
    const token = issue("t1")
    await request(token)
    inactive.add("t1")
    pass(29)
    expect(await request(token)).toBe("passes")
    pass(1)
    expect(await request(token)).toBe("passes") // this one asks, and does not wait
    for (let second = 0; second < 200; second++) {
      expect(await request(token)).toBe("revoked")
      pass(1)
    }
  })

  it("is refused with all tokens that it had, also with one that was not seen before", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [first, second] = [issue("t1"), issue("t2")]
    await request(first)
    inactive.add("t1").add("t2")
    pass(30)
    await request(first)
    expect(await request(second)).toBe("revoked")
    expect(await request(first)).toBe("revoked")
  })

  it("is ended for its client alone", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [web, app] = [issue("t1"), issue("t2", { azp: "app" })]
    inactive.add("t1")
    await request(web)
    pass(1)
    expect(await request(web)).toBe("revoked")
    expect(await request(app)).toBe("passes")
    expect(await request(app)).toBe("passes")
  })

  it("was ended before its first sight here: revoked, since its audience is ours", async () => {
    const { inactive, issue, request } = setUp()
    const token = issue("t1")
    inactive.add("t1")
    expect(await request(token)).toBe("passes")
    expect(await request(token)).toBe("revoked")
  })

  it("is refused for the signed content, not for the spelling of a token", async () => {
    const { inactive, issue, request } = setUp()
    for (const jti of ["same", undefined]) {
      const { claims } = issue("t", { sid: undefined, jti })
      inactive.add("header.payload.signature")
      await request({ claims, token: "header.payload.signature" })
      expect(await request({ claims, token: "header.payload.twin" })).toBe("revoked")
    }
  })

  it("can't be pushed out of the list by any number of other sessions", async () => {
    const { inactive, issue, request } = setUp()
    const token = issue("t1")
    inactive.add("t1")
    await request(token)
    const { claims } = token
    for (let index = 0; index < 60_000; index++) {
      const one = { ...claims, sid: `other ${index}`, jti: `j${index}` } as Claims
      if (index % 1000 === 0) await request({ claims: one, token: `t${index}` })
      else opened.at(-1)?.see(one, "token")
    }
    expect(await request(token)).toBe("revoked")
  })

  it("lives again with a user who was enabled again", async () => {
    const { inactive, issue, request, pass } = setUp()
    const token = issue("t1")
    inactive.add("t1")
    await request(token)
    inactive.delete("t1")
    pass(29)
    expect(await request(token)).toBe("revoked")
    pass(1)
    expect(await request(token)).toBe("revoked") // this one asks
    expect(await request(token)).toBe("passes")
  })

  it("is refused also where Keycloak's clock is ahead, as its newest tokens show", async () => {
    const { inactive, issue, request, pass } = setUp()
    const token = issue("t1", { iat: 1_800_000_004 })
    await request(token)
    pass(30)
    inactive.add("t1").add("t2")
    await request(token)
    expect(await request(issue("t2", { iat: 1_800_000_033 }))).toBe("revoked")
  })

  it("passes with a token that Keycloak has issued since", async () => {
    const { inactive, issue, request, pass } = setUp()
    inactive.add("t1")
    const token = issue("t1")
    await request(token)
    expect(await request(token)).toBe("revoked")
    pass(1)
    const fresh = issue("t2")
    expect(await request(fresh)).toBe("passes")
    expect(await request(fresh)).toBe("passes")
    expect(await request(token)).toBe("revoked")
  })

  it.each([undefined, "1900000000"])("does not pass with a token whose iat is %s", async iat => {
    const { inactive, issue, request } = setUp()
    const token = issue("t1")
    const timeless = { ...issue("t2"), claims: { ...issue("t2").claims, iat } as unknown as Claims }
    inactive.add("t1").add("t2")
    await request(token)
    expect(await request(timeless)).toBe("revoked")
  })
})

describe("a token that was revoked on its own", () => {
  it("is refused, while an older token of its session passes as soon as Keycloak was asked about that", async () => {
    const { asked, inactive, issue, request } = setUp()
    const [older, token] = [issue("t1"), issue("t2")]
    inactive.add("t2")
    await request(token)
    expect(await request(older)).toBe("revoked") // this one asks at once
    expect(await request(older)).toBe("passes")
    expect(await request(token)).toBe("revoked")
    expect(asked).toEqual(["t2", "t1"])
  })

  it("is found, whatever number of requests its session sends with another one first", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [other, token] = [issue("t1"), issue("t2")]
    await request(other)
    inactive.add("t2")
    let accepted = 0
    for (let second = 0; second < 200; second++) {
      await request(other)
      if ((await request(token)) === "passes") accepted = second
      pass(1)
    }
    expect(accepted).toBeLessThanOrEqual(31)
    expect(await request(other)).toBe("passes")
  })

  it("has others of its session asked about at once, also those that were asked about a moment ago", async () => {
    const { asked, inactive, issue, request, pass } = setUp()
    const [other, token] = [issue("t1"), issue("t2", { iat: 1_799_999_900 })]
    await request(other)
    pass(1)
    inactive.add("t2")
    await request(token)
    expect(await request(other)).toBe("revoked")
    expect(await request(other)).toBe("passes")
    expect(asked).toEqual(["t1", "t2", "t1"])
  })

  it("has them asked about once, not each time that it is asked about again", async () => {
    const { asked, inactive, issue, request, pass } = setUp()
    const [other, token] = [issue("t1"), issue("t2")]
    inactive.add("t2")
    for (let second = 0; second < 60; second++) {
      await request(token)
      await request(other)
      pass(1)
    }
    expect(asked).toEqual(["t2", "t1", "t2", "t1"])
  })

  it("lets in no token of its session that was revoked as well, although another one lives", async () => {
    const { inactive, issue, request, pass } = setUp()
    const tokens = Array.from({ length: 30 }, (_, index) => issue(`t${index}`))
    for (const { token } of tokens.slice(1)) inactive.add(token)
    await request(tokens[1] as (typeof tokens)[0])
    await request(tokens[0] as (typeof tokens)[0])
    for (let round = 0; round < 3; round++) {
      for (const [index, token] of tokens.entries())
        expect([index, await request(token)]).toEqual([index, index === 0 ? "passes" : "revoked"])
      pass(20)
    }
  })

  it("leaves its session the questions that it needs to be found ended later", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [other, token] = [issue("t1"), issue("t2")]
    inactive.add("t2")
    await request(token)
    await request(other)
    expect(await request(other)).toBe("passes")
    inactive.add("t1")
    for (let second = 0; second < 30; second++) {
      expect(await request(token)).toBe("revoked")
      expect(await request(token)).toBe("revoked")
      pass(1)
    }
    await request(token)
    await request(other)
    expect(await request(other)).toBe("revoked")
  })
})

// Keycloak goes on issuing tokens for an offline session, which shares its `sid` with the browser session it began in.
describe("an offline session beside the one that it began in", () => {
  it("lives on alone, and lets in no token of the other", async () => {
    const { inactive, issue, request, pass } = setUp()
    const online = Array.from({ length: 5 }, (_, index) => issue(`on${index}`))
    const offline = issue("off", { exp: 1_800_003_600 })
    const [first, ...unseen] = online as [(typeof online)[0], ...typeof online]
    await request(first)
    await request(offline)
    for (const { token } of online) inactive.add(token)
    pass(30)
    await request(first)
    await request(offline)
    for (const token of unseen) {
      expect(await request(offline)).toBe("passes")
      expect(await request(token)).toBe("revoked")
    }
  })
})

describe("a token that is about to expire", () => {
  it("uses up no question about its session", async () => {
    const { asked, inactive, issue, request, pass } = setUp()
    const [token, other] = [issue("t1", { exp: 1_800_000_034 }), issue("t2")]
    await request(token)
    pass(30)
    inactive.add("t1").add("t2")
    await request(token)
    await request(other)
    expect(asked).toEqual(["t1", "t1", "t2"])
    expect(await request(other)).toBe("revoked")
    expect(await request(issue("t3", { iat: 1_800_000_000 }))).toBe("revoked")
  })

  it("has tokens refused until they are asked about that nobody has asked about for recheckSeconds", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [token, old, ended] = [issue("t1", { exp: 1_800_000_036 }), issue("t2"), issue("t3")]
    await request(token)
    pass(32)
    inactive.add("t1").add("t3")
    await request(token)
    expect(await request(old)).toBe("revoked") // this one asks
    expect(await request(old)).toBe("passes")
    expect(await request(ended)).toBe("revoked")
    expect(await request(ended)).toBe("revoked")
  })

  it("lets a disabled person in no longer than anybody, in whatever order tokens come", async () => {
    const { inactive, issue, request, pass } = setUp()
    const tokens: ReturnType<typeof issue>[] = []
    // One token after the other is in its last seconds.
    for (let index = 0; index < 60; index++) tokens.push(issue(`t${index}`, { exp: 1_800_000_003 + index * 5 }))
    await request(tokens[59] as (typeof tokens)[0])
    for (const { token } of tokens) inactive.add(token)
    const accepted: number[] = []
    for (const [index, token] of tokens.entries()) {
      if ((await request(token)) === "passes") accepted.push(index * 5)
      pass(5)
    }
    expect(accepted.filter(second => second > 35)).toEqual([])
  })

  it("tells nothing about its session when it is inactive: by Keycloak's clock it may have expired", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [token, other] = [issue("t1", { exp: 1_800_000_034 }), issue("t2")]
    await request(token)
    pass(30)
    inactive.add("t1")
    await request(token)
    expect(await request(token)).toBe("revoked")
    expect(await request(other)).toBe("passes")
  })
})

describe("an inactive token whose audience lacks our client", () => {
  const elsewhere = { aud: ["orders", "account"] }

  it("is refused for its audience, since Keycloak tells nothing to others", async () => {
    const { inactive, issue, request } = setUp()
    const token = issue("t1", elsewhere)
    inactive.add("t1")
    expect(await request(token)).toBe("passes")
    expect(await request(token)).toBe("audience")
  })

  it("implicates no other token of its session", async () => {
    const { inactive, issue, request } = setUp()
    const [token, other] = [issue("t1", elsewhere), issue("t2")]
    inactive.add("t1")
    await request(token)
    expect(await request(other)).toBe("passes")
  })

  it("implicates none either after one of ours was active, and uses up no question about the session", async () => {
    const { asked, inactive, issue, request, pass } = setUp()
    const [ours, theirs] = [issue("t1"), issue("t2", elsewhere)]
    inactive.add("t2")
    await request(ours)
    pass(30)
    await request(theirs)
    expect(await request(theirs)).toBe("audience")
    expect(await request(ours)).toBe("passes")
    expect(asked).toEqual(["t1", "t2", "t1"])
    expect(await request(ours)).toBe("passes")
  })

  it("is refused from the answer on, also when it came again meanwhile", async () => {
    const { inactive, server, issue, request } = setUp()
    const token = issue("t1", { ...elsewhere, iat: 1_799_999_900 })
    await request(issue("t2"))
    inactive.add("t1")
    server.hangs = true
    expect(await request(token)).toBe("passes")
    expect(await request(token)).toBe("passes")
    server.letGo()
    await settled()
    expect(await request(token)).toBe("audience")
  })

  it("casts doubt on old tokens of its session where its audience can't be read, as in a lightweight token", async () => {
    const { inactive, issue, request, pass } = setUp()
    const [token, old] = [issue("t1", { aud: undefined }), issue("t2")]
    inactive.add("t1")
    pass(31)
    await request(token)
    expect(await request(token)).toBe("audience")
    expect(await request(old)).toBe("revoked")
    expect(await request(old)).toBe("passes")
  })

  it("was revoked if Keycloak called it active before, as it does without its audience rule", async () => {
    const { inactive, issue, request, pass } = setUp()
    const token = issue("t1", elsewhere)
    await request(token)
    inactive.add("t1")
    pass(30)
    await request(token)
    expect(await request(token)).toBe("revoked")
  })
})

describe("while Keycloak can't be asked", () => {
  const down = new GateError("keycloak_unavailable", "Can't reach Keycloak.")

  it("the last verdict stays, and it heals by itself", async () => {
    const { inactive, server, issue, request, pass } = setUp()
    const [dead, alive] = [issue("t1"), issue("t2", { sid: "s2" })]
    inactive.add("t1")
    await request(dead)
    await request(alive)
    server.failure = down
    inactive.add("t2")
    for (let second = 0; second < 100; second++) {
      expect([await request(dead), await request(alive)]).toEqual(["revoked", "passes"])
      pass(1)
    }
    server.failure = null
    pass(30)
    await request(alive)
    expect(await request(alive)).toBe("revoked")
  })

  it("that is told once when it begins, and again when it begins again or is something else", async () => {
    const { events, server, issue, request, pass } = setUp()
    const refused = new GateError("keycloak_refused_us", "wrong secret")
    for (const failure of [down, down, refused, refused, null, down]) {
      server.failure = failure
      for (const sid of ["s1", "s2"]) await request(issue("t1", { sid }))
      pass(30)
    }
    expect(events).toEqual([down, refused, down].map(error => ({ type: "recheck_failed", error })))
  })

  it("it is asked no more often than while it answers", async () => {
    const { asked, server, issue, request, pass } = setUp()
    server.failure = down
    const tokens = [issue("t1"), issue("t2")]
    for (let second = 0; second < 30; second++) {
      for (const token of tokens) await request(token)
      pass(1)
    }
    expect(asked).toEqual(["t1"])
  })

  it("what nobody expected is told as an outage, and its session has its turn again", async () => {
    const { asked, events, server, issue, request, pass } = setUp()
    server.failure = new TypeError("broken") as never
    const token = issue("t1")
    await request(token)
    expect(events).toMatchObject([{ type: "recheck_failed", error: { code: "keycloak_unavailable" } }])
    pass(30)
    await request(token)
    expect(asked).toHaveLength(2)
  })
})
