import { forgetFailures } from "../accounts/keycloak/account.js"
import { type Channel, openChannel } from "../accounts/keycloak/channel.js"
import { readRules } from "../accounts/keycloak/rules.js"
import { createRulesCache } from "../accounts/registration-rules.js"
import { createTurns } from "../accounts/turns.js"
import { type FieldProblem, GateError, isGateError } from "../errors.js"
import { boundFields, named } from "../fields.js"
import { startDeadline } from "../keycloak/deadline.js"
import type { Session } from "../keycloak/session.js"
import { createShare } from "../keycloak/share.js"
import type { AfterRefusal, RefusedLogin } from "../login/login-with-password.js"
import type { UserKey } from "../users/user-store.js"
import type { AdoptionParts } from "./adoption-parts.js"
import { askApplication } from "./asked-application.js"
import type { LegacyLoginSettings } from "./legacy-login.js"
import { type MovedPerson, movePerson } from "./move-person.js"
import { accountsNamed, areBegun, isOurs, type NamedAccount } from "./named-accounts.js"
import { type ReadPerson, readPerson } from "./person.js"
import { createRecentMoves, type MovedAccount } from "./recent-moves.js"

export interface MoveAtLoginParts<User> extends AdoptionParts<User> {
  readonly settings: LegacyLoginSettings
}

/** `legacyLogin`, once it is needed. */
export interface MoveAtLogin {
  readonly moveAtLogin: AfterRefusal
  readonly close: () => void
}

/**
 * Keycloak has refused somebody. Where it knows nobody of that name, or only an account that is begun, the application is
 * asked, and whom it knows is moved and logged in. A question to Keycloak that fails asks nobody.
 *
 * With brute-force protection Keycloak refuses one of two logins at once of one person (26.7.4), in the words of a wrong
 * password. So a password that is known to be right is sent again until it is taken.
 */
export function createMoveAtLogin<User>(parts: MoveAtLoginParts<User>): MoveAtLogin {
  const { settings, connection } = parts
  const { clock, report, elapsed, timeoutMs, transport } = connection
  const application = askApplication(settings, elapsed)
  const recent = createRecentMoves(elapsed)
  const inTurn = createTurns(3 * timeoutMs)
  const rules = createRulesCache(() => readRules(begin().channel), elapsed, connection.sharing)
  const share = createShare<MovedPerson>({ ...connection.sharing, timeoutMs: settings.timeoutMs + 3 * timeoutMs })

  function begin() {
    const deadline = startDeadline(timeoutMs, elapsed, transport.pause)
    return { deadline, channel: openChannel(connection, "anonymous", deadline) }
  }

  async function moveAtLogin(login: RefusedLogin): Promise<Session> {
    const { channel } = begin()
    const named = recent.sentBefore(login) === null ? await accountsNamed(channel, login.username) : []
    const justMoved = recent.sentBefore(login)
    if (justMoved !== null) return logInMoved(login, justMoved)
    if (!(await areBegun(channel, named))) return logInKnown(channel, login, named)
    const moved = await askAndMove(login)
    if (moved === null) throw notProven()
    const { account, outcome } = moved
    // Otherwise it was open before, under another name, and has whatever password its person gave it.
    const isRight = outcome === "moved" || named.some(({ id }) => id === account.id) || isNameOf(account, login)
    if (!isRight) return logInAgain(login, account, once)
    recent.note(login, account)
    return logInMoved(login, account)
  }

  /** Keycloak knows the name and has refused the credentials; unless the account was being made by another process. */
  async function logInKnown(channel: Channel, login: RefusedLogin, named: readonly NamedAccount[]): Promise<Session> {
    const [account, ...others] = named
    if (account?.enabled !== true || others.length > 0) throw login.refusal
    // The door was closed when the login came, and somebody has opened it since.
    const wasClosed = isClosedDoor(login.refusal)
    const sentAt = clock.now() - (elapsed() - login.sentAt)
    const mayBeNew = account.createdTimestamp >= sentAt - shortestMoveMs && !recent.areBefore(login, account.id)
    if (!(wasClosed || mayBeNew) || !(await isOurs(channel, account))) throw login.refusal
    return logInAgain(login, account, wasClosed ? [0, ...aFewTimes] : aFewTimes)
  }

  /** Null: nobody's credentials, or not to be asked about. */
  async function askAndMove(login: RefusedLogin): Promise<MovedPerson | null> {
    let key: UserKey | null = null
    try {
      if (!(await application.mayTry(login.username))) return told("limited")
      const answer = await application.verify(login)
      if (answer === null) return told("unknown")
      const person = usable(answer)
      key = person.key
      return await moveOnce(login, person)
    } catch (error) {
      const type = "legacy_login"
      report(isGateError(error) ? { type, outcome: "failed", key, error } : { type, outcome: "threw", key })
      throw error
    }
  }

  function told(outcome: "limited" | "unknown"): null {
    report({ type: "legacy_login", outcome })
    return null
  }

  /** Logins at once of one person with one password are one move. */
  async function moveOnce({ password, logInAs }: RefusedLogin, person: ReadPerson): Promise<MovedPerson> {
    let isFirst = false
    const moved = await share(recent.markOf(String(person.key), password), () => {
      isFirst = true
      return movePerson({ ...parts, ...begin(), rules: rules.get }, person, {
        value: password,
        isSet: username => logInAs(username).then(() => true, isClosedDoor),
      })
    })
    const { account, outcome } = moved
    report({
      type: "legacy_login",
      outcome: isFirst ? outcome : "known",
      subject: account.id,
      key: person.key,
    })
    return moved
  }

  /** With a password that is right: what Keycloak counted as wrong ones was this one, sent before it was set. */
  function logInMoved(login: RefusedLogin, account: MovedAccount): Promise<Session> {
    return logInAgain(login, account, untilTaken, () => forgetFailures(begin().channel, account.id).catch(goOn))
  }

  /** One login at a time of one account, in this process. */
  function logInAgain(
    { refusal, logInAs }: RefusedLogin,
    { id, username }: MovedAccount,
    pausesMs: Iterable<number>,
    whenRefused: () => Promise<void> = async () => undefined,
  ): Promise<Session> {
    const { deadline } = begin()
    return inTurn(id, async () => {
      let last = refusal
      for (const pauseMs of pausesMs) {
        if (pauseMs > 0 && !deadline.hasTime(pauseMs)) break
        if (pauseMs > 0) await deadline.pause(pauseMs)
        try {
          return await logInAs(username)
        } catch (error) {
          if (!isWrongPassword(error)) throw error
          last = error
        }
        await whenRefused()
      }
      throw last
    })
  }

  return { moveAtLogin, close: application.close }
}

/** For as long as there is time. */
const untilTaken: Iterable<number> = {
  *[Symbol.iterator]() {
    yield 0
    for (let pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 1000)) yield pauseMs
  },
}
const once = [0]
// From the create until the closed door tells a right password, and what may be off between two clocks.
const shortestMoveMs = 2000
// Of one that may be wrong, and has just been refused: two refusals within a second would lock the account (26.7.4).
const aFewTimes = [1100, 1100, 1100]

/** Keycloak says so to the right password, and 26.4.7 to every one. */
function isClosedDoor(error: unknown): boolean {
  if (!isGateError(error)) throw error
  return error.code === "account_disabled" || (isGateError(error.cause) && error.cause.code === "account_disabled")
}

/** Keycloak's answer to the login says what there is to say. */
function goOn(error: unknown): void {
  if (!isGateError(error)) throw error
}

/** Or what Keycloak says in the same words. */
function isWrongPassword(error: unknown): error is GateError {
  return isGateError(error) && error.code === "invalid_credentials" && !isGateError(error.cause)
}

function isNameOf({ username, email }: MovedPerson["account"], login: RefusedLogin): boolean {
  return [username, email].includes(login.username.toLowerCase())
}

function usable(answer: unknown): ReadPerson {
  const person = readPerson(answer)
  const withPassword = Object(answer).password !== undefined
  const unwanted: readonly FieldProblem[] = withPassword
    ? [{ field: "password", rule: "unknown_member", params: [] }]
    : []
  const problems = "problems" in person ? [...person.problems, ...unwanted] : unwanted
  if (!("problems" in person) && problems.length === 0) return person
  const fields = boundFields(problems)
  const message = `\`legacyLogin.verify\` has to answer a person or null. What it answered can't be used: ${named(fields)}.`
  throw new GateError("config_invalid", message, { fields })
}

function notProven(): GateError {
  return new GateError(
    "invalid_credentials",
    "Keycloak does not know this person, and neither does `legacyLogin`, or its `limit` lets nobody ask.",
  )
}
