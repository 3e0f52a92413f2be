import type { FieldProblem } from "../errors.js"
import { type FieldRule, invalidFields, readFields } from "../fields.js"
import type { KeycloakClock } from "../keycloak/keycloak-clock.js"
import type { IssuedUntil, Revocation } from "./revocation.js"

/** What `revoke` takes: exactly one of these. Ids are those of Keycloak's tokens. */
export type Revoked = (
  | { readonly subject: string }
  | { readonly session: string; readonly client?: string | undefined }
  | { readonly tokenId: string }
  | { readonly issuedBefore: Date }
) & {
  /** Default: the realm of this gate, and no other is taken. */
  readonly issuer?: string | undefined
}

/**
 * Refuses access tokens from now on, although their signatures are good: in this process at once, in others with `shared`.
 * Nothing is asked of Keycloak, where the session lives on unless something else ends it.
 *
 * - `subject` (`sub`): what a person got until now. What comes from a later login passes. Tokens count in whole seconds, so
 *   Keycloak is asked once about a session of this very second that is new here.
 * - `session` (`sid`): all of a session, also tokens that it gets later, and offline sessions that began in it
 * - `session` and `client` (`azp`): what one client has of it
 * - `tokenId` (`jti`): one token
 * - `issuedBefore`: everybody's tokens of before, as a "not before" of the realm does
 *
 * `logout`, `logoutEverywhere`, `disableAccount`, `deleteAccount`, `setPassword` and `changePassword` call it by themselves.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when it is not exactly one of these, or holds no usable text or date
 * @throws {GateError} `store_unavailable` when other processes could not be told, with `failClosed` only; it holds here all
 * the same
 * @throws {GateError} `closed` after `close()`
 * @example
 * await gate.revoke({ subject: principal.subject })
 */
export type Revoke = (revoked: Revoked) => Promise<void>

const text: FieldRule = { maxLength: 255, optional: true }
const kinds = ["subject", "session", "tokenId", "issuedBefore"] as const
const known: readonly string[] = [...kinds, "client", "issuer"]

/** @throws {GateError} `invalid_request` (with `fields`) */
export function readRevocation(given: unknown, issuer: string, now: IssuedUntil): Revocation {
  const of = (typeof given === "object" && given !== null ? given : {}) as Record<string, unknown>
  const has = (name: string) => of[name] !== undefined
  const problems: FieldProblem[] = Object.keys(of)
    .filter(name => !known.includes(name))
    .map(name => problem(name, "unknown"))
  const [kind, ...others] = kinds.filter(has)
  if (kind === undefined || others.length > 0) problems.push(problem(kinds.join(", "), "exactly_one"))
  if (has("client") && kind !== "session") problems.push(problem("client", "without_session"))
  if (has("issuer") && of.issuer !== issuer) problems.push(problem("issuer", "unknown"))
  const { values, problems: inTexts } = readFields(of, { subject: text, session: text, client: text, tokenId: text })
  problems.push(...inTexts)
  const { subject, session, client, tokenId } = values
  const time = kind === "issuedBefore" ? timeOf(of.issuedBefore, now) : null
  if (kind === "issuedBefore" && time === null) problems.push(problem("issuedBefore", "not_a_past_date"))
  if (problems.length > 0) throw invalidFields(problems)
  if (subject !== undefined) return { kind: "subject", issuer, subject, ...now }
  if (tokenId !== undefined) return { kind: "token", issuer, tokenId }
  if (time !== null) return { kind: "issuer", issuer, ...time }
  if (client === undefined) return { kind: "session", issuer, session: session ?? "" }
  return { kind: "client", issuer, session: session ?? "", client }
}

/** The seconds in which Keycloak may be now: a new login may be among the tokens of them. */
export function thisVerySecond(clock: KeycloakClock): IssuedUntil {
  return { before: Math.floor(clock.atEarliest() / 1000), doubtUntil: Math.floor(clock.atLatest() / 1000) }
}

/** Null for what would refuse tokens that are yet to be issued. */
function timeOf(given: unknown, { doubtUntil }: IssuedUntil): IssuedUntil | null {
  if (!(given instanceof Date)) return null
  const seconds = given.getTime() / 1000
  if (Number.isNaN(seconds) || seconds > doubtUntil + 1) return null
  const before = Math.floor(seconds)
  // Keycloak's own "not before" is in whole seconds, and takes a token of that second.
  return { before, doubtUntil: before === seconds ? before - 1 : before }
}

function problem(field: string, rule: string): FieldProblem {
  return { field, rule, params: [] }
}
