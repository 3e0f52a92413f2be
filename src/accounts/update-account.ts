import type { FieldProblem } from "../errors.js"
import { type FieldRule, invalidFields, maxAttributes, readAttributeNames, readFields, readFlags } from "../fields.js"
import { profileOfAccount } from "../users/custom-profile.js"
import { readSubject, unknownSubject } from "../users/subject.js"
import type { AccountContext } from "./account-context.js"
import type { AccountChange, StoredAccount } from "./keycloak/account.js"
import type { RegistrationRules } from "./keycloak/rules.js"
import { assertKept, checkReserved, isSomebodysEmail, notOwnEmail, rejected } from "./registration-rules.js"

/** What to change of an account: `undefined` and what is left out stay as they are, `null` removes. */
export interface AccountChanges {
  /** Where the realm lets usernames be edited, and does not use the e-mail as username. */
  readonly username?: string | undefined
  /** Another e-mail counts as unverified, unless `emailVerified: true` comes with it. */
  readonly email?: string | null | undefined
  readonly emailVerified?: boolean | undefined
  readonly firstName?: string | null | undefined
  readonly lastName?: string | null | undefined
  /** Those named here; all others stay. */
  readonly attributes?: Readonly<Record<string, string | readonly string[] | null>> | undefined
}

/** An account as Keycloak has it, with its row. */
export interface Account<User> {
  readonly subject: string
  readonly username: string
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly enabled: boolean
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** The application's row; null without a user store. */
  readonly user: User
}

/**
 * Changes an account in Keycloak and then the application's row, and returns both as they are.
 *
 * Nothing that is not named changes, although Keycloak's own update erases e-mail and names beside attributes, and loses
 * one of two updates at once. The row is saved as of now by Keycloak's clock, so that tokens from before don't undo it.
 * With no changes at all, it brings the row in step. Where the store fails, the account is changed already; call it again,
 * or the next token mends the row. Never hand a request's body to it: `emailVerified` is the application's word.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is unknown, or a change is of a wrong type, empty,
 * too long, holds control characters or is no field of an account; nothing is changed then
 * @throws {GateError} `account_rejected` (with `fields`) when Keycloak's rules refuse a value, want one that was to be
 * removed, or don't let usernames be edited
 * @throws {GateError} `user_exists` (with `field`, null where Keycloak can't tell) when username or e-mail is taken
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached; the account may be changed already, and calling
 * again finishes it
 * @throws {GateError} `keycloak_refused_us` when the service account lacks a right, or the realm would drop an attribute;
 * `config_invalid` without a client secret; `closed` after `close()`
 * @throws what the user store throws, untouched
 * @see https://www.keycloak.org/docs-api/latest/rest-api/#_users
 * @example
 * const { user } = await gate.updateAccount(principal.subject, { email, attributes: { phone: null } })
 */
export type UpdateAccount<User> = (subject: string, changes: AccountChanges) => Promise<Account<User>>

export async function updateAccount<User>(
  { issuer, begin, rules: cached, rows, custom, registration }: AccountContext<User>,
  given: string,
  changes: AccountChanges,
): Promise<Account<User | null>> {
  const { deadline, changeAccount } = begin("accounts")
  const reading = rows?.beginReading() ?? 0
  const subject = readSubject(given)
  const wanted = readChanges(changes)
  if (wanted.username !== undefined) checkReserved(wanted.username)
  const rules = asksForRules(wanted) ? await deadline.within(cached.get()) : null
  if (rules !== null) checkChanges(wanted, rules)

  let isOtherEmail = false
  const account = await changeAccount(subject, before => {
    if (rules?.emailAsUsername) checkUsernameIsEmail(wanted, before)
    else if (!registration.allowEmailLikeUsernames) checkUsernameIsOwn(wanted, before)
    // Decided once: read back after the write, the e-mail is the wanted one.
    isOtherEmail ||= wanted.email !== undefined && fold(wanted.email ?? "") !== (before.email ?? "")
    const emailVerified = wanted.emailVerified ?? (isOtherEmail ? false : before.emailVerified)
    return missingIn(before, { ...wanted, emailVerified })
  })
  if (account === null) throw unknownSubject()

  const { id: _, attributes, enabled, asOf, ...names } = account
  const profile = () => profileOfAccount(custom, { issuer, subject }, names, attributes, asOf)
  const user = (await rows?.saveRead(profile(), reading)) ?? null
  return Object.freeze({ subject, ...names, enabled, attributes, user })
}

interface Wanted {
  readonly username: string | undefined
  readonly email: string | null | undefined
  readonly emailVerified: boolean | undefined
  readonly firstName: string | null | undefined
  readonly lastName: string | null | undefined
  /** An empty list: removed. */
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

/** What of the wanted an account lacks. */
function missingIn(account: StoredAccount, wanted: Wanted): AccountChange {
  const { username, email, emailVerified, firstName, lastName, attributes } = wanted
  const isOther = (value: string | null | undefined, has: string | null) => value !== undefined && value !== has
  const change: AccountChange = {
    ...(username !== undefined && fold(username) !== account.username && { username }),
    ...(email !== undefined && fold(email ?? "") !== (account.email ?? "") && { email: email ?? "" }),
    ...(isOther(firstName, account.firstName) && { firstName: firstName ?? "" }),
    ...(isOther(lastName, account.lastName) && { lastName: lastName ?? "" }),
    ...(emailVerified !== undefined && emailVerified !== account.emailVerified && { emailVerified }),
  }
  const merged = { ...account.attributes, ...attributes }
  if (Object.keys(attributes).every(name => isSame(merged[name] ?? [], own(account.attributes, name)))) return change
  // Beside attributes, Keycloak removes e-mail and names that are absent, and where usernames can be edited it misses that.
  const kept = { username: account.username, email: account.email ?? "" }
  const names = { firstName: account.firstName ?? "", lastName: account.lastName ?? "" }
  return { ...kept, ...names, ...change, attributes: merged }
}

function asksForRules({ username, email, firstName, lastName, attributes }: Wanted): boolean {
  return (
    [username, email].some(one => one !== undefined) ||
    [firstName, lastName].includes(null) ||
    Object.keys(attributes).length > 0
  )
}

/** Refuses what would keep the person out from now on, and what Keycloak would drop. */
function checkChanges({ email, firstName, lastName, attributes }: Wanted, rules: RegistrationRules): void {
  const removed = Object.entries({ email, firstName, lastName, ...attributes })
    .filter(([, value]) => value === null || value?.length === 0)
    .map(([field]) => field)
  const needed = rules.emailAsUsername ? ["email", ...rules.required] : rules.required
  const problems = removed
    .filter(field => needed.includes(field))
    .map(field => ({ field, rule: "required", params: [] }))
  if (problems.length > 0) throw rejected(problems)
  assertKept(
    Object.keys(attributes).filter(name => !removed.includes(name)),
    rules,
  )
}

/** Keycloak would answer 204 and do nothing. */
function checkUsernameIsEmail({ username, email }: Wanted, account: StoredAccount): void {
  if (username === undefined || fold(username) === fold(email ?? account.email ?? "")) return
  throw notOwnEmail()
}

/** Also where the e-mail alone changes: the username would be left as somebody's. One that was so before may stay. */
function checkUsernameIsOwn(wanted: Wanted, account: StoredAccount): void {
  const username = fold(wanted.username ?? account.username)
  const email = wanted.email === undefined ? account.email : wanted.email
  const wasSo = username === account.username && isSomebodysEmail(username, account.email)
  if (!wasSo && isSomebodysEmail(username, email)) throw notOwnEmail()
}

/** As Keycloak keeps usernames and e-mails. */
function fold(text: string): string {
  return text.toLowerCase()
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index])
}

function own(attributes: Readonly<Record<string, readonly string[]>>, name: string): readonly string[] {
  return Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : []
}

const textRules = {
  username: { maxLength: 255, optional: true },
  email: { maxLength: 255, optional: true },
  firstName: { maxLength: 255, optional: true },
  lastName: { maxLength: 255, optional: true },
} satisfies Record<string, FieldRule>
const attributeRule: FieldRule = { maxLength: 2048 }
const removable = ["email", "firstName", "lastName"]
const fieldNames = [...Object.keys(textRules), "emailVerified", "attributes"]

/** Every change as usable text, or everything that is wrong with them. */
function readChanges(changes: AccountChanges): Wanted {
  if (typeof changes !== "object" || changes === null || Array.isArray(changes)) {
    throw invalidFields([{ field: "changes", rule: "not_an_object", params: [] }])
  }
  // Without prototype: what somebody has put there is no change.
  const given: Readonly<Record<string, unknown>> = Object.assign(Object.create(null), changes)
  const isRemoved = (name: string) => removable.includes(name) && given[name] === null
  const texts = Object.fromEntries(Object.entries(given).filter(([name]) => !isRemoved(name)))
  const { values, problems } = readFields(texts, textRules)
  const attributes = readAttributes(given.attributes)
  const found: FieldProblem[] = [
    ...Object.keys(given)
      .filter(name => !fieldNames.includes(name))
      .map(field => ({ field, rule: "unknown", params: [] })),
    ...problems,
    ...readFlags(given, ["emailVerified"]),
    ...attributes.problems,
  ]
  if (found.length > 0) throw invalidFields(found)
  const textOrNull = (name: "email" | "firstName" | "lastName") => (isRemoved(name) ? null : values[name])
  return {
    username: values.username,
    email: textOrNull("email"),
    emailVerified: given.emailVerified as boolean | undefined,
    firstName: textOrNull("firstName"),
    lastName: textOrNull("lastName"),
    attributes: Object.fromEntries(attributes.lists),
  }
}

function readAttributes(given: unknown): { lists: [string, readonly string[]][]; problems: readonly FieldProblem[] } {
  const lists: [string, readonly string[]][] = []
  if (given === undefined) return { lists, problems: [] }
  const { names, problems } = readAttributeNames(given)
  const ofValues: FieldProblem[] = []
  for (const name of names) {
    const read = readAttribute(name, (given as Readonly<Record<string, unknown>>)[name])
    if ("problem" in read) ofValues.push(read.problem)
    else lists.push([name, read.values])
  }
  return { lists, problems: [...problems, ...ofValues] }
}

function readAttribute(name: string, value: unknown): { problem: FieldProblem } | { values: readonly string[] } {
  if (value === null) return { values: [] }
  if (Array.isArray(value) && value.length === 0) return { problem: { field: name, rule: "empty", params: [] } }
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (values.length > maxAttributes) return { problem: { field: name, rule: "too_many", params: [maxAttributes] } }
  for (const one of values) {
    const [problem] = readFields({ [name]: one }, { [name]: attributeRule }).problems
    if (problem !== undefined) return { problem }
  }
  return { values: values as readonly string[] }
}
