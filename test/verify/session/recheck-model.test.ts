import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GateError } from "../../../src/errors.js"
import type { Claims } from "../../../src/verify/claims.js"
import { createRecheck, type Recheck } from "../../../src/verify/session/recheck.js"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const intervalMs = 30_000
// What questions need beyond the interval: those about one session are sent one after the other.
const budgetMs = 5000
const seconds = (milliseconds: number) => milliseconds / 1000

type Audience = "ours" | "theirs" | "unreadable"

/** One token as Keycloak and the application see it. Moments are by the clock that is never set back. */
interface SimulatedToken {
  readonly text: string
  readonly claims: Claims
  readonly session: SimulatedSession
  readonly audience: Audience
  readonly isOffline: boolean
  isRevoked: boolean
  /** Since when Keycloak would refuse it, for another reason than its age or its audience. */
  deadSince: number | null
  /** Its first request at which what Keycloak said of it was older than the interval, and it was dead. */
  firstLateRequest: number | null
  /** Refusals one after the other, while Keycloak would have called it active. */
  refusedSince: number | null
  refusedAgain: number | null
}

interface SimulatedSession {
  readonly index: number
  readonly tokens: SimulatedToken[]
  lastInactiveAnswer: number
  /** The part that a browser began, and the one that goes on without it; they share their `sid`. */
  readonly online: Part
  readonly offline: Part
}

interface Part {
  hasEnded: boolean
  /** Since when Keycloak would refuse all its tokens. */
  deadSince: number | null
  /** The first request that was let in although it was dead for longer than the interval. */
  firstLatePass: number | null
}

interface Situation {
  /** How far Keycloak's clock is ahead of ours. */
  readonly skewSeconds: number
  readonly toleranceSeconds: number
}

/** A Keycloak with sessions of one person, and a process that rechecks; `problems` is what must not happen. */
function simulate({ skewSeconds, toleranceSeconds }: Situation) {
  const start = 1_800_000_000_000
  let elapsed = 1000
  let wall = start
  let isEnabled = true
  let notBefore = 0
  let isDown = false
  let downUntil = 0
  let latencies = [1, 20]
  let inFlight = 0
  const sent: number[] = []
  const problems: string[] = []
  const sessions: SimulatedSession[] = []
  const byText = new Map<string, SimulatedToken>()
  const keycloakSeconds = () => seconds(wall) + skewSeconds
  const partOf = ({ isOffline, session }: SimulatedToken) => (isOffline ? session.offline : session.online)

  function isDead(token: SimulatedToken): boolean {
    const { isRevoked, claims } = token
    return isRevoked || !isEnabled || partOf(token).hasEnded || Number(claims.iat) < notBefore
  }
  function isActive(token: SimulatedToken): boolean {
    const { claims, audience } = token
    return claims.exp > Math.floor(keycloakSeconds()) && !isDead(token) && audience !== "theirs"
  }
  async function introspect(text: string) {
    const token = byText.get(text) as SimulatedToken
    sent.push(elapsed)
    inFlight += 1
    if (inFlight > 8) problems.push(`${inFlight} questions under way`)
    const lastSecond = sent.filter(at => elapsed - at < 1000).length
    if (lastSecond > 50) problems.push(`${lastSecond} questions in a second`)
    const [there = 0, back = 0] = latencies
    try {
      await new Promise(resolve => setTimeout(resolve, there))
      if (isDown) throw new GateError("keycloak_unavailable", "down")
      const active = isActive(token)
      await new Promise(resolve => setTimeout(resolve, back))
      if (!active) token.session.lastInactiveAnswer = elapsed
      return { active }
    } finally {
      inFlight -= 1
    }
  }
  const recheck: Recheck = createRecheck({
    background: () => undefined,
    introspect,
    introspectionUrl: "https://sso.example.test/introspect",
    clientId: "shop-api",
    recheckSeconds: seconds(intervalMs),
    report: () => undefined,
    now: () => wall,
    elapsed: () => elapsed,
  })

  /** After anything that Keycloak may have changed its mind by. */
  function noteDeaths(): void {
    for (const token of byText.values()) {
      token.deadSince = isDead(token) ? (token.deadSince ?? elapsed) : null
      if (token.deadSince === null || isDown) token.firstLateRequest = null
    }
    for (const part of sessions.flatMap(({ online, offline }) => [online, offline])) {
      part.deadSince = part.hasEnded || !isEnabled ? (part.deadSince ?? elapsed) : null
      if (part.deadSince === null || isDown) part.firstLatePass = null
    }
  }

  function issue(sessionIndex: number, lifeSeconds: number, audience: Audience, isOffline: boolean): void {
    const session = sessions[sessionIndex % Math.max(1, sessions.length)]
    if (session === undefined || !isEnabled || session[isOffline ? "offline" : "online"].hasEnded) return
    const iat = Math.floor(keycloakSeconds())
    if (iat < notBefore) return
    const jti = `t${byText.size}`
    const aud = { ours: ["shop-api", "account"], theirs: "orders", unreadable: undefined }[audience]
    const claims = { sub: "ada", jti, iat, exp: iat + lifeSeconds, sid: `s${session.index}`, azp: "web", aud }
    const token: SimulatedToken = {
      ...{ text: jti, claims: claims as unknown as Claims, session, audience, isOffline, isRevoked: false },
      ...{ deadSince: null, firstLateRequest: null, refusedSince: null, refusedAgain: null },
    }
    byText.set(jti, token)
    session.tokens.push(token)
  }

  function present(token: SimulatedToken): void {
    const { exp, iat } = token.claims
    // What local verification refuses does not get as far as this.
    if (exp + toleranceSeconds <= seconds(wall) || Number(iat) - toleranceSeconds > seconds(wall)) return
    let isAccepted = true
    try {
      // New claims each time: as without a cache of verified tokens.
      recheck.see(elapsed % 2 === 0 ? token.claims : { ...token.claims }, token.text)
    } catch {
      isAccepted = false
    }
    judge(token, isAccepted)
  }

  function judge(token: SimulatedToken, isAccepted: boolean): void {
    const { session, claims } = token
    const part = partOf(token)
    const wasDown = downUntil + intervalMs + budgetMs > elapsed
    const isLate = (since: number | null) => since !== null && elapsed > since + intervalMs && !wasDown
    const isPast = (first: number | null) => first !== null && elapsed >= first + budgetMs
    if (isLate(token.deadSince)) {
      if (isAccepted && isPast(token.firstLateRequest))
        problems.push(`${token.text} is accepted ${elapsed - Number(token.deadSince)} ms after its end`)
      token.firstLateRequest ??= elapsed
    }
    if (isAccepted && isLate(part.deadSince)) {
      if (isPast(part.firstLatePass)) problems.push(`${token.text} is accepted in a session that was found ended`)
      if (token.audience !== "theirs") part.firstLatePass ??= elapsed
    }

    const isInLastSeconds = claims.exp - 6 <= Math.max(seconds(wall), keycloakSeconds())
    if (isAccepted || !isActive(token) || isInLastSeconds || wasDown) {
      token.refusedSince = null
      token.refusedAgain = null
      return
    }
    token.refusedSince ??= elapsed
    if (token.refusedAgain !== null && session.lastInactiveAnswer >= token.refusedAgain - 1000)
      token.refusedAgain = null
    if (token.refusedAgain !== null && elapsed >= token.refusedAgain + budgetMs)
      problems.push(`${token.text} lives and is refused for ${elapsed - token.refusedSince} ms`)
    if (elapsed >= token.refusedSince + intervalMs) token.refusedAgain ??= elapsed
  }

  const tokenAt = (index: number) => [...byText.values()][index % Math.max(1, byText.size)]
  const sessionAt = (index: number) => sessions[index % Math.max(1, sessions.length)]
  return {
    problems,
    actions: {
      logIn() {
        if (!isEnabled) return
        const part = () => ({ hasEnded: false, deadSince: null, firstLatePass: null })
        const lastInactiveAnswer = Number.NEGATIVE_INFINITY
        const index = sessions.length
        sessions.push({ index, tokens: [], lastInactiveAnswer, online: part(), offline: part() })
      },
      issue,
      present(index: number) {
        const token = tokenAt(index)
        if (token !== undefined) present(token)
      },
      /** One of the newest: the others soon outnumber them. */
      presentNew(index: number) {
        const token = [...byText.values()].at(-1 - (index % Math.min(4, Math.max(1, byText.size))))
        if (token !== undefined) present(token)
      },
      presentAll(index: number) {
        for (const token of sessionAt(index)?.tokens.slice(-8) ?? []) present(token)
      },
      revoke(index: number) {
        const token = tokenAt(index)
        if (token !== undefined) token.isRevoked = true
      },
      end(index: number, isOffline: boolean) {
        const session = sessionAt(index)
        if (session !== undefined) session[isOffline ? "offline" : "online"].hasEnded = true
      },
      setEnabled(enabled: boolean) {
        isEnabled = enabled
      },
      refuseEarlier() {
        notBefore = Math.floor(keycloakSeconds())
      },
      goDown(down: boolean) {
        isDown = down
      },
      setLatencies(there: number, back: number) {
        latencies = [there, back]
      },
    },
    async pass(milliseconds: number) {
      noteDeaths() // before the first moment, and after each
      for (let left = milliseconds; left > 0; ) {
        const step = Math.min(left, 97)
        elapsed += step
        wall += step
        left -= step
        if (isDown) downUntil = elapsed
        noteDeaths()
        await vi.advanceTimersByTimeAsync(step)
      }
    },
    close: recheck.close,
  }
}

type World = ReturnType<typeof simulate>
type Action = (world: World) => void

const index = fc.nat({ max: 60 })
const audience = fc.constantFrom<Audience>("ours", "ours", "ours", "theirs", "unreadable")
const issuing = fc.tuple(index, fc.constantFrom(8, 20, 60, 300), audience, fc.boolean())
const action: fc.Arbitrary<[string, Action]> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<[string, Action]>(["logIn", ({ actions }) => actions.logIn()]) },
  {
    weight: 6,
    arbitrary: issuing.map<[string, Action]>(given => [`issue ${given}`, ({ actions }) => actions.issue(...given)]),
  },
  { weight: 8, arbitrary: index.map<[string, Action]>(at => [`present ${at}`, ({ actions }) => actions.present(at)]) },
  {
    weight: 8,
    arbitrary: index.map<[string, Action]>(at => [`presentNew ${at}`, ({ actions }) => actions.presentNew(at)]),
  },
  {
    weight: 4,
    arbitrary: index.map<[string, Action]>(at => [`presentAll ${at}`, ({ actions }) => actions.presentAll(at)]),
  },
  { weight: 2, arbitrary: index.map<[string, Action]>(at => [`revoke ${at}`, ({ actions }) => actions.revoke(at)]) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(index, fc.boolean())
      .map<[string, Action]>(given => [`end ${given}`, ({ actions }) => actions.end(...given)]),
  },
  {
    weight: 1,
    arbitrary: fc
      .boolean()
      .map<[string, Action]>(enabled => [`setEnabled ${enabled}`, ({ actions }) => actions.setEnabled(enabled)]),
  },
  { weight: 1, arbitrary: fc.constant<[string, Action]>(["refuseEarlier", ({ actions }) => actions.refuseEarlier()]) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(true, false, false)
      .map<[string, Action]>(down => [`goDown ${down}`, ({ actions }) => actions.goDown(down)]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 20, 150), fc.constantFrom(1, 20, 150))
      .map<[string, Action]>(given => [`setLatencies ${given}`, ({ actions }) => actions.setLatencies(...given)]),
  },
)
const pause = fc.constantFrom(0, 1, 10, 100, 500, 1000, 2000, 4000, 6000, 15_000, 31_000)
const situation = fc.constantFrom<Situation>(
  { skewSeconds: 0, toleranceSeconds: 5 },
  { skewSeconds: 0, toleranceSeconds: 0 },
  { skewSeconds: 3, toleranceSeconds: 5 },
  { skewSeconds: -3, toleranceSeconds: 5 },
  { skewSeconds: 0, toleranceSeconds: 300 },
  { skewSeconds: 100, toleranceSeconds: 300 },
  { skewSeconds: -100, toleranceSeconds: 300 },
)

async function problemsOf(
  given: Situation,
  story: readonly (readonly [[string, Action], number])[],
): Promise<string[]> {
  vi.setSystemTime(0)
  const world = simulate(given)
  world.actions.logIn()
  world.actions.issue(0, 300, "ours", false)
  world.actions.present(0) // so that this process has seen how late it is at Keycloak
  for (const [[, act], milliseconds] of story) {
    act(world)
    await world.pass(milliseconds)
  }
  world.close()
  vi.clearAllTimers()
  return world.problems
}

describe("a recheck, whatever happens in whatever order", () => {
  it("lets no ended session and no revoked token in for longer than the interval, and shuts no living one out", async () => {
    await fc.assert(
      fc.asyncProperty(
        situation,
        fc.array(fc.tuple(action, pause), { minLength: 1, maxLength: 120, size: "max" }),
        async (given, story) => {
          expect(await problemsOf(given, story)).toEqual([])
        },
      ),
      { numRuns: 200 },
    )
  }, 120_000)
})
