import { beforeEach, describe, expect, it } from "vitest"
import type { GateEvent } from "../../src/index.js"
import type { KeptRevocation, Revocation } from "../../src/sessions/revocation.js"
import { createRevocations, type Revocations } from "../../src/sessions/revocations.js"
import { newlyProven } from "../../src/verify/check.js"

const issuer = "https://sso.example.test/realms/shop"
const longest = 300
const began = 1_800_000_000

let seconds: number
let events: GateEvent[]
let keptLonger: (KeptRevocation | null)[]
let isUsed: boolean
let book: Revocations
beforeEach(() => {
  seconds = began
  events = []
  keptLonger = []
  isUsed = false
  book = createRevocations({
    issuer,
    longestTokenSeconds: longest,
    clockToleranceSeconds: 5,
    report: event => events.push(event),
    now: () => seconds * 1000,
    keptLonger: kept => keptLonger.push(kept),
    isUsed: () => isUsed,
  })
})

const ofSession = (session: string): Revocation => ({ kind: "session", issuer, session })
const ofSubject = (before: number, doubtUntil = before): Revocation => ({
  kind: "subject",
  issuer,
  subject: "ada",
  before,
  doubtUntil,
})
const token = (claims: object = {}) => ({
  sub: "ada",
  sid: "s-1",
  jti: "t-1",
  azp: "web",
  iat: began - 10,
  exp: began + 290,
  ...claims,
})
const inForce = () => [...book.all()].map(({ revocation }) => revocation)

describe("what is revoked", () => {
  it("concerns nobody before anything is", () => {
    expect(book.count()).toBe(0)
    expect(book.verdictOn(token(), -1)).toBe("passed")
  })

  it.each([0, 1, 31, 255, 256, 257, 600])(
    "is looked up for whoever was last let pass before it, with %i more since",
    others => {
      const at = book.count()
      const letPass = (claims: object, lookedAt = at) => ({
        ...newlyProven({} as never, token(claims) as never),
        lookedAt,
      })
      book.add(ofSession("s-1"))
      book.add(ofSubject(began))
      book.add({ kind: "token", issuer, tokenId: "t-1" })
      book.add({ kind: "client", issuer, session: "s-2", client: "web" })
      for (let n = 0; n < others; n++) book.add(ofSession(`other-${n}`))
      const concerned = [
        { sub: "bob", jti: "t-2" },
        { sid: "s-3", jti: "t-2" },
        { sub: "bob", sid: "s-3" },
        { sub: "bob", sid: "s-2", jti: "t-2" },
      ]
      for (const claims of concerned) {
        expect(book.mayConcern(letPass(claims))).toBe(true)
        expect(book.verdictOn(token(claims), at)).toBe("revoked")
        expect(book.mayConcern(letPass(claims, book.count()))).toBe(false)
      }
      const stranger = { sub: "bob", sid: "s-3", jti: "t-2" }
      expect(book.mayConcern(letPass(stranger))).toBe(others > 252)
      expect(book.mayConcern(letPass(stranger, -1))).toBe(true)
      expect(book.verdictOn(token(stranger), at)).toBe("passed")
    },
  )

  it("of everybody concerns each token, and a count without a revocation none", () => {
    const one = { ...newlyProven({} as never, token() as never), lookedAt: 0 }
    book.mark()
    expect(book.mayConcern(one)).toBe(false)
    book.add({ kind: "issuer", issuer, before: began, doubtUntil: began - 1 })
    expect(book.mayConcern(one)).toBe(true)
  })

  it("is new once, and again where the second of a subject is told again", () => {
    const heard: KeptRevocation[] = []
    const stop = book.onAdded(kept => heard.push(kept))
    for (const _ of ["new", "known"]) book.add(ofSession("s-1"))
    for (const _ of ["new", "again"]) book.add(ofSubject(began))
    book.add(ofSubject(began), { isRead: true })
    book.add(ofSubject(began - 1))
    expect(heard.map(({ revocation }) => revocation.kind)).toEqual(["session", "subject", "subject"])
    expect(book.count()).toBe(3)
    stop()
    book.add(ofSession("s-2"))
    expect(heard).toHaveLength(3)
  })

  it("is one entry for a subject, with the latest moment", () => {
    for (const before of [began, began + 5, began + 2]) book.add(ofSubject(before))
    expect(inForce()).toEqual([ofSubject(began + 5)])
    expect(book.verdictOn(token({ iat: began + 4 }), -1)).toBe("revoked")
    expect(book.verdictOn(token({ iat: began + 6 }), -1)).toBe("passed")
  })

  it("takes a token without `iat` for an old one", () => {
    book.add(ofSubject(began))
    expect(book.verdictOn(token({ iat: undefined }), -1)).toBe("revoked")
  })

  it("concerns no text that only looks like a claim", () => {
    book.add(ofSession("undefined"))
    book.add({ kind: "client", issuer, session: "s-1", client: "undefined" })
    book.add({ kind: "token", issuer, tokenId: "undefined" })
    expect(book.verdictOn(token({ sid: undefined, jti: undefined }), -1)).toBe("passed")
    expect(book.verdictOn(token({ azp: undefined }), -1)).toBe("passed")
  })

  it("of everybody is a moment, too", () => {
    book.add({ kind: "issuer", issuer, before: began, doubtUntil: began - 1 })
    expect(book.verdictOn(token({ iat: began - 1 }), -1)).toBe("revoked")
    expect(book.verdictOn(token({ iat: began }), -1)).toBe("passed")
  })
})

describe("the second of a logout", () => {
  const inDoubt = token({ iat: began })

  it("is in doubt for a token that nobody has seen", () => {
    book.add(ofSubject(began))
    expect(book.verdictOn(inDoubt, -1)).toBe("doubtful")
  })

  it("is in doubt for a token that was seen, where it took a while to be told", () => {
    book.add(ofSubject(began))
    expect(book.verdictOn(inDoubt, 0)).toBe("doubtful")
  })

  it("is none for a token that this process saw before it revoked by itself, and stays none", () => {
    book.add(ofSubject(began), { seenBefore: 1 })
    expect(book.verdictOn(inDoubt, 0)).toBe("revoked")
    expect(book.verdictOn(inDoubt, -1)).toBe("revoked")
    expect(book.verdictOn(token({ iat: began, sid: "s-2" }), -1)).toBe("doubtful")
  })

  it("is in doubt for what came while it was being ended", () => {
    const begun = book.mark()
    book.settled.alive("s-1", book.count())
    book.add(ofSubject(began, began + 1), { seenBefore: begun })
    expect(book.verdictOn(inDoubt, -1)).toBe("doubtful")
    expect(book.verdictOn(token({ iat: began, sid: "s-2" }), begun - 1)).toBe("revoked")
  })

  it("is settled for a session that is known to have begun since, until the next logout of that second", () => {
    book.add(ofSubject(began), { seenBefore: 1 })
    book.settled.alive("s-1", book.count())
    expect(book.verdictOn(inDoubt, -1)).toBe("passed")
    expect(book.verdictOn(token({ iat: began - 1 }), -1)).toBe("passed")
    book.add(ofSubject(began))
    expect(book.verdictOn(inDoubt, -1)).toBe("doubtful")
    book.settled.ended("s-1")
    expect(book.verdictOn(inDoubt, -1)).toBe("revoked")
  })
})

describe("how long a revocation is kept", () => {
  const untilOf = () => [...book.all()].map(({ until }) => until - began)

  it("is as long as a token can live, by the later one of two clocks, and no longer", () => {
    book.add(ofSession("s-1"))
    const [until = 0] = untilOf()
    expect(until).toBeGreaterThanOrEqual(longest + 5)
    seconds += until
    expect(inForce()).toEqual([])
    book.add(ofSubject(seconds + 30))
    expect((untilOf()[0] ?? 0) + began - seconds).toBeGreaterThanOrEqual(30 + longest + 5)
  })

  it("grows to the end of each token that it refuses", () => {
    book.add(ofSession("s-1"))
    book.add({ kind: "client", issuer, session: "s-1", client: "web" })
    book.add({ kind: "token", issuer, tokenId: "t-1" })
    book.refused(token())
    expect(keptLonger).toEqual([])
    const exp = began + 5000
    book.refused(token({ exp }))
    expect(keptLonger.map(kept => kept?.revocation.kind).sort()).toEqual(["client", "session", "token"])
    for (const kept of keptLonger) expect(kept?.until).toBeGreaterThanOrEqual(exp + 5)
    expect(Math.min(...untilOf())).toBeGreaterThanOrEqual(5005)
    book.refused(token({ sid: "s-2", jti: "t-2", exp: exp + 5000 }))
    expect(keptLonger).toHaveLength(3)
  })

  it("grows for all where a token lives longer than was thought, which is told once", () => {
    book.add(ofSession("s-1"))
    book.add(ofSubject(began))
    const before = untilOf()
    book.sawToken(token({ iat: began, exp: began + longest }))
    expect(events).toEqual([])
    book.sawToken(token({ iat: began, exp: began + 1000 }))
    book.sawToken(token({ iat: began, exp: began + 2000 }))
    expect(events).toEqual([{ type: "long_tokens", lifeSeconds: 1000, longestTokenSeconds: longest }])
    expect(keptLonger).toEqual([null, null])
    expect(untilOf()).toEqual(before.map(until => until + 1700))
  })

  it.each([
    ["the first revocation", () => book.add(ofSession("s-1"))],
    [
      "the next token where the application counts on it",
      () => {
        isUsed = true
        book.sawToken(token({ iat: began, exp: began + 1001 }))
      },
    ],
  ])("is told of long tokens no sooner than with %s", (_, next) => {
    book.sawToken(token({ iat: began, exp: began + 1000 }))
    expect(events).toEqual([])
    next()
    expect(events).toMatchObject([{ type: "long_tokens" }])
  })
})

describe("one revocation too many", () => {
  it("drops those whose tokens have expired; else the oldest, which is told until there is room again", () => {
    for (let n = 0; n < 100_000; n++) book.add(ofSession(`s-${n}`), { until: n === 7 ? began + 10 : began + 1000 })
    seconds += 11
    book.add(ofSession("one more"), { until: began + 1000 })
    expect(events).toEqual([])
    expect(book.verdictOn(token({ sid: "s-0" }), -1)).toBe("revoked")
    for (const name of ["two more", "three more"]) book.add(ofSession(name), { until: began + 1000 })
    expect(events).toEqual([{ type: "revocation_dropped", most: 100_000 }])
    expect(["s-0", "s-1", "s-2", "one more", "three more"].map(sid => book.verdictOn(token({ sid }), -1))).toEqual([
      "passed",
      "passed",
      "revoked",
      "revoked",
      "revoked",
    ])
    expect(inForce()).toHaveLength(100_000)
    seconds += 1000
    book.add(ofSession("after all"))
    expect(inForce()).toEqual([ofSession("after all")])
    for (let n = 0; n < 100_000; n++) book.add(ofSession(`t-${n}`))
    expect(events).toHaveLength(2)
  })
})
