import { GateError } from "../../errors.js"
import { type AdminApi, accountPath, isAccountId } from "../../keycloak/admin-api.js"
import type { Connection } from "../../keycloak/connection.js"
import { unreachable } from "../../keycloak/network-error.js"
import { lacksViewEvents } from "../../keycloak/set-up-errors.js"
import type { IssuedUntil, Revocation } from "../revocation.js"
import { createEventLog, type EventLog } from "./event-log.js"
import { adminResourceTypes, type Meaning, readAdminEvent, readUserEvent, userEventTypes } from "./event-meaning.js"

export interface WatchEventsParts {
  readonly everySeconds: number
  /** How long a token can live: events of so long ago still count. */
  readonly longestTokenSeconds: number
  readonly connection: Connection
  readonly revoke: (revocation: Revocation) => void
}

const lookAtConfigEveryMs = 60_000
const pastSecondMs = 1100

/**
 * Reads Keycloak's events every few seconds, for what it sends no logout token for, and revokes what they say is over. Returns
 * what ends that.
 *
 * It begins with the events of as long ago as a token can live: so what happened while this process was not there counts.
 */
export function watchEvents({ everySeconds, longestTokenSeconds, connection, revoke }: WatchEventsParts): () => void {
  const { realm, clock, report, elapsed, notBefore } = connection
  const { issuer } = realm
  const api = connection.adminApi("background")
  const from = Math.floor(clock.now()) - longestTokenSeconds * 1000
  const ofPeople = createEventLog({
    api,
    path: `/events?${listOf("type", userEventTypes)}`,
    read: data => readUserEvent(data, issuer),
    from,
  })
  const ofAdministrators = createEventLog({
    api,
    path: `/admin-events?${listOf("resourceTypes", adminResourceTypes)}`,
    read: data => readAdminEvent(data, issuer),
    from,
  })
  let timer: NodeJS.Timeout | null = null
  let isClosed = false
  let told: string | null = null
  let lookedAtConfigMs = Number.NEGATIVE_INFINITY
  let followed = 0
  /** The token of ours that is asked with, when it was new. */
  let newest = { number: 0, seenMs: 0, isDoubtful: false }

  async function poll(): Promise<void> {
    try {
      await readLog(ofPeople)
      await readLog(ofAdministrators)
      await lookPastSecond()
      if (elapsed() - lookedAtConfigMs >= lookAtConfigEveryMs) await lookAtConfig()
      else if (told !== "off") told = null
    } catch (error) {
      failed(error)
    } finally {
      // Also where Keycloak takes our own token no more: that is how it tells of everybody's logout.
      followNotBefore()
    }
  }

  async function readLog(log: EventLog): Promise<void> {
    const questions = new Map<string, IssuedUntil>()
    let isNotBeforeAsked = false
    for await (const { meaning } of log.readOn()) {
      if (meaning === "ask not before") isNotBeforeAsked = true
      else if (meaning !== null && "revoke" in meaning) revoke(meaning.revoke)
      else if (meaning !== null) questions.set(meaning.askAbout, laterOf(questions.get(meaning.askAbout), meaning))
    }
    if (isNotBeforeAsked) await notBefore.ask()
    for (const [subject, until] of questions) {
      if (!(await isEnabled(api, subject))) revoke({ kind: "subject", issuer, subject, ...until })
    }
    log.done()
  }

  /**
   * Keycloak goes on taking our own token where everybody was logged out in the very second in which it was issued. So what
   * comes with another one is looked at once that second is over. From then on a logout of everybody ends our own token.
   */
  async function lookPastSecond(): Promise<void> {
    const number = notBefore.tokens()
    if (number !== newest.number) newest = { number, seenMs: elapsed(), isDoubtful: true }
    if (!newest.isDoubtful || elapsed() - newest.seenMs < pastSecondMs) return
    await notBefore.ask()
    newest.isDoubtful = false
  }

  function followNotBefore(): void {
    // One that lies ahead may be a mistake, which is mended soon: what comes later is looked at with the next token of ours.
    const before = Math.min(notBefore.last(), Math.floor(clock.atLatest() / 1000))
    if (before <= followed) return
    followed = before
    // A logout of everybody ends tokens of that very second too, which a "not before" alone does not.
    revoke({ kind: "issuer", issuer, before, doubtUntil: before })
  }

  async function lookAtConfig(): Promise<void> {
    const off = await api.read("/events/config", toOff, lacksViewEvents)
    if (off === null) throw api.notKeycloak()
    lookedAtConfigMs = elapsed()
    if (off.length === 0) told = null
    else tell("off", eventsOff(off))
  }

  function failed(thrown: unknown): void {
    const error = unreachable(api.url, thrown)
    if (error.code !== "closed") tell(error.code, error)
  }

  /** Once, until it is mended. An outage is told as one. */
  function tell(kind: string, error: GateError): void {
    if (told === kind) return
    told = kind
    if (error.code !== "keycloak_unavailable") report({ type: "watch_failed", error })
  }

  function goOn(afterMs: number): void {
    if (isClosed) return
    timer = setTimeout(() => void poll().finally(() => goOn(everySeconds * 1000)), afterMs).unref()
  }

  goOn(0)
  return () => {
    isClosed = true
    if (timer !== null) clearTimeout(timer)
  }
}

function listOf(name: string, values: readonly string[]): string {
  return values.map(value => `${name}=${value}`).join("&")
}

function laterOf(known: IssuedUntil | undefined, { until }: Extract<Meaning, { until: IssuedUntil }>): IssuedUntil {
  return known !== undefined && known.before > until.before ? known : until
}

/** Whether somebody may log in; nobody who is not there. */
async function isEnabled(api: AdminApi, subject: string): Promise<boolean> {
  if (!isAccountId(subject)) return true
  const enabled = await api.read(accountPath(subject), data => {
    const { enabled } = (data ?? {}) as { readonly enabled?: unknown }
    return typeof enabled === "boolean" ? { enabled } : null
  })
  return enabled?.enabled === true
}

/** What is switched off, as the console calls it. */
function toOff(data: unknown): readonly string[] | null {
  const config = (data ?? {}) as Readonly<Record<string, unknown>>
  if (typeof config.eventsEnabled !== "boolean") return null
  const types = Array.isArray(config.enabledEventTypes) ? config.enabledEventTypes : []
  const isSaved = (type: string) => types.length === 0 || types.includes(type)
  const missing = ["LOGOUT", "REVOKE_GRANT"].filter(type => !isSaved(type))
  return [
    ...(config.eventsEnabled ? [] : ["User events settings → Save events"]),
    ...(config.eventsEnabled && missing.length > 0
      ? [`User events settings → Add saved types → ${missing.join(", ")}`]
      : []),
    ...(config.adminEventsEnabled === true ? [] : ["Admin events settings → Save events"]),
  ]
}

function eventsOff(off: readonly string[]): GateError {
  return new GateError(
    "keycloak_refused_us",
    `\`watchEvents\` learns too little: the realm does not save all events. Switch on Realm settings → Events → ${off.join(" and → ")}.`,
  )
}
