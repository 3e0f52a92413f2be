import { GateError, isGateError } from "../../errors.js"
import type { Report } from "../../events.js"
import { noAnswer } from "../../keycloak/network-error.js"
import type { Background } from "../../keycloak/share.js"
import type { Transport } from "../../keycloak/transport.js"
import { createFetchBudget } from "./fetch-budget.js"
import { fetchKeys, type Jwk } from "./fetch-keys.js"

export interface KeySet {
  /** Whether this very key is still published, as far as is known without asking anybody; for the path of every request. */
  readonly publishes: (key: Jwk) => boolean
  /** The keys of this id for this algorithm that are at hand; starts no request. */
  readonly held: (kid: string, alg: string) => readonly Jwk[]
  /**
   * The signing keys of this id for this algorithm; none when Keycloak does not publish any. A keystore that serves two
   * algorithms (RS256 and PS256) is published once for each, under one id.
   */
  readonly find: (kid: string, alg: string) => Promise<readonly Jwk[]>
  /** Fetches the keys now. */
  readonly load: () => Promise<void>
  /** How old the keys are, without a request; null before the first ones. */
  readonly state: () => KeySetState | null
  /** Ends every wait for a turn. */
  readonly close: () => void
}

interface KeySetState {
  readonly ageSeconds: number
  /** How long tokens are still verified with them, should they never be renewed. */
  readonly usableForSeconds: number
}

interface Failure {
  /** When it was asked. */
  readonly at: number
  readonly error: unknown
  /** The first one since the last keys came: it may be a connection that was cut. */
  readonly isFirst: boolean
}

export interface KeySetParts {
  readonly transport: Transport
  readonly certsUrl: string
  readonly maxAgeSeconds: number
  readonly cooldownSeconds: number
  readonly timeoutMs: number
  readonly background: Background
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

// The part of their age after which keys are fetched anew in the background, so that no request waits for it, nor for a
// Keycloak that hangs.
const aheadFactor = 0.9
// How long the last good keys outlive their age while Keycloak can't be reached.
const outageFactor = 6
// How long a request with outlived keys waits for Keycloak to be back: enough for an answer, and for nobody's time-out.
const graceMs = 250
// Pauses after a failed fetch, as parts of a cool-down: short for the first tries, then such that the budget lasts.
const quickTries = 3
const firstPause = 0.05
const longestFirstPauseMs = 500
const laterPause = 0.3

/**
 * The realm's keys: fetched when first needed and ahead of their age, replaced as a whole, looked at again for an unknown
 * id and for an algorithm that is new to an id.
 *
 * A key that Keycloak has removed is gone after `maxAgeSeconds` at most, or six times that while Keycloak is down. Their
 * age counts from the question. Nobody waits longer than `timeoutMs`.
 *
 * What tokens cause comes out of one budget: look-ups, and every fetch after one that failed. The first load and the
 * renewals for age are nobody's. Failed fetches count like others, since Keycloak pays for both. Their pauses make the
 * budget last through an outage, so that its end is noticed within a third of a cool-down.
 */
export function createKeySet(parts: KeySetParts): KeySet {
  const { transport, certsUrl, timeoutMs, background, report, elapsed } = parts
  const maxAge = parts.maxAgeSeconds * 1000
  const usableMs = maxAge * outageFactor
  const cooldownMs = parts.cooldownSeconds * 1000
  const firstPauseMs = Math.min(cooldownMs * firstPause, longestFirstPauseMs)
  const budget = createFetchBudget({ cooldownMs, elapsed })
  let keys: ReadonlySet<Jwk> = new Set()
  let askedAt: number | null = null
  /** Numbers of fetches: of the last one that was sent, and of the last one that brought keys. */
  let sent = 0
  let answered = 0
  let failure: Failure | null = null
  let loading: Promise<void> | null = null
  /** What a request with outlived keys waits for; never rejects. */
  let patience = Promise.resolve()
  let lookingAgain: Promise<void> | null = null
  let lookingSince = 0
  let lost: Promise<void> | null = null
  let hasToldAge = false
  let wake = () => {}

  /** Milliseconds; endless without keys. */
  function age(): number {
    if (askedAt === null) return Number.POSITIVE_INFINITY
    const passed = elapsed() - askedAt
    if (passed >= 0) return passed
    // Only a test's clock begins anew: the keys are stale then, and no more than that.
    askedAt = elapsed() - maxAge - 1
    return age()
  }

  /** Whether the keys are within their age; towards its end this starts to fetch the next ones. */
  function areFresh(): boolean {
    const now = age()
    if (now > maxAge * aheadFactor && mayFetch()) void fetchNow(failure !== null)
    return now <= maxAge
  }

  /** Whether a fetch may be sent: any, until one fails, and then those that the budget has left, after a pause. */
  function mayFetch(): boolean {
    return failure === null || (pauseLeft(failure) <= 0 && !budget.isUsedUp())
  }

  function pauseLeft({ at }: Failure): number {
    const passed = elapsed() - at
    if (passed < 0) return 0
    // Without keys everybody is refused, so whoever comes after a failure tries again at once.
    const first = askedAt === null ? 0 : firstPauseMs
    return (budget.spent() < quickTries ? first : cooldownMs * laterPause) - passed
  }

  function fetchNow(isCausedByToken: boolean): Promise<void> {
    if (loading !== null) return loading
    if (isCausedByToken) budget.spend()
    const wasDown = failure !== null
    const fetching = renewKeys(!isCausedByToken).finally(() => {
      if (loading === fetching) loading = null
    })
    loading = fetching
    background(fetching)
    patience = (wasDown ? inTime(fetching, graceMs) : fetching).catch(() => undefined)
    return fetching
  }

  async function renewKeys(isRepeatable: boolean): Promise<void> {
    const number = ++sent
    const at = elapsed()
    try {
      keys = await fetchKeys({ transport, certsUrl }, keys, isRepeatable)
    } catch (error) {
      const outage = isGateError(error) && error.code !== "closed" ? error : null
      failure = { at, error, isFirst: failure === null && outage !== null }
      if (outage !== null) tellAge(outage)
      throw error
    }
    askedAt = at
    answered = number
    failure = null
    hasToldAge = false
    budget.renewed()
  }

  /** Once until keys come again, and long before everybody is refused. */
  function tellAge(error: GateError): void {
    const now = state()
    if (now === null || age() <= maxAge || hasToldAge) return
    hasToldAge = true
    report({ type: "keys_ageing", ...now, error: ageing(now, error) })
  }

  function state(): KeySetState | null {
    if (askedAt === null) return null
    const now = age()
    return { ageSeconds: toSeconds(now), usableForSeconds: toSeconds(Math.max(0, usableMs - now)) }
  }

  const published = (kid: string, alg: string) =>
    [...keys].filter(key => key.kid === kid && (key.alg === undefined || key.alg === alg))

  /** Waits where what is at hand is too old: shortly while Keycloak is known to be down, else for the fetch under way. */
  async function keepUsable(sentBefore: number): Promise<void> {
    await patience
    // Keys that are to live for a moment only may be too old when they arrive: they serve whoever they were fetched for.
    if (age() <= usableMs || answered > sentBefore) return
    if (loading === null && failure !== null) throw failure.error
    await fetchNow(false)
  }

  async function seek(kid: string, alg: string, sentBefore: number): Promise<readonly Jwk[]> {
    const wanted = `${alg} ${kid}`
    let isPatient = true
    await keepUsable(sentBefore)
    for (;;) {
      const known = published(kid, alg)
      if (known.length > 0) return known
      // The word of a fetch that was sent before this was asked is not the last one: the key may have come since.
      if (answered > sentBefore) {
        budget.missed(wanted)
        return []
      }
      const mustAsk = lookingAgain === null && failure === null
      if (mustAsk && !budget.hasOneFor(wanted, isNew(kid))) return []
      try {
        await (loading ?? lookAgain())
      } catch (error) {
        // Whoever met the first failure waits for the second try.
        if (!isPatient || !failure?.isFirst) throw error
        isPatient = false
      }
    }
  }

  const isNew = (kid: string) => ![...keys].some(key => key.kid === kid)

  function lookAgain(): Promise<void> {
    // Somebody's turn comes within a cool-down. One that has not come since was cut with the request that waited for it.
    const isLost = elapsed() - lookingSince > cooldownMs + 2 * timeoutMs
    if (lookingAgain !== null && !isLost) return lookingAgain
    lookingSince = elapsed()
    const looking = fetchInTurn().finally(() => {
      if (lookingAgain === looking) lookingAgain = null
    })
    lookingAgain = looking
    background(looking)
    return looking
  }

  async function fetchInTurn(): Promise<void> {
    if (failure === null) await sleep(budget.msToNext())
    else if (failure.isFirst) await sleep(pauseLeft(failure))
    else if (pauseLeft(failure) > 0) throw failure.error
    if (failure !== null && budget.isUsedUp()) throw failure.error
    await fetchNow(true)
  }

  /** At least for a moment, so that all who come together get the answer of one fetch. */
  async function sleep(ms: number): Promise<void> {
    if (ms <= 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /**
   * Forgets a fetch that others had begun, where it has not ended although its time is over: a host that cuts what a
   * request has begun tells nobody.
   */
  function forgetLost(others: Promise<void> | null): boolean {
    if (others === null || loading !== others) return others !== null && others === lost
    lost = loading
    loading = null
    lookingAgain = null
    patience = Promise.resolve()
    return true
  }

  /** What others wait for too; whoever gives up leaves the work to them. */
  function inTime<Value>(work: Promise<Value>, limitMs: number): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(noAnswer(certsUrl, `no answer within ${limitMs} ms`)), limitMs)
      work.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  return {
    publishes: key => areFresh() && keys.has(key),
    held: (kid, alg) => (age() <= usableMs ? published(kid, alg) : []),
    async find(kid, alg) {
      const sentBefore = sent
      const others = loading
      const known = areFresh() ? published(kid, alg) : []
      if (known.length > 0) return known
      try {
        return await inTime(seek(kid, alg, sentBefore), timeoutMs)
      } catch (error) {
        if (!forgetLost(others)) throw error
        return inTime(seek(kid, alg, sent), timeoutMs)
      }
    },
    load: () => fetchNow(false),
    state,
    close: () => wake(),
  }
}

function ageing({ ageSeconds, usableForSeconds }: KeySetState, cause: GateError): GateError {
  return new GateError(
    "keycloak_unavailable",
    `Keycloak's keys are ${Math.round(ageSeconds)} s old and can't be renewed. Tokens are verified with them for another ` +
      `${Math.round(usableForSeconds)} s, then every caller gets 503. ${cause.message}`,
    { cause },
  )
}

const toSeconds = (ms: number) => Math.round(ms) / 1000
