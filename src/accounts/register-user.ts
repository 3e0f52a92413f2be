import { type FieldProblem, isGateError } from "../errors.js"
import { type FieldRule, invalidFields, maxAttributes, readAttributeNames, readFields } from "../fields.js"
import type { AccountContext } from "./account-context.js"
import { createFinishing } from "./finish-registration.js"
import type { RegistrationRules } from "./keycloak/rules.js"
import {
  type CheckedFields,
  checkReserved,
  checkRules,
  isSomebodysEmail,
  missingNames,
  notOwnEmail,
} from "./registration-rules.js"

/** What a person sends to register; what the realm's user profile requires of it is needed. An empty text is none. */
export interface Registration {
  /** May be absent only where the realm uses the e-mail as username. */
  readonly username?: string | undefined
  readonly email?: string | undefined
  readonly firstName?: string | undefined
  readonly lastName?: string | undefined
  /** 1–256 characters. */
  readonly password: string
  /** Profile attributes that the application asks for; a list where the profile says "multivalued". */
  readonly attributes?: Readonly<Record<string, string | readonly string[]>> | undefined
}

/** An account that exists, with its row. */
export interface Registered<User> {
  readonly subject: string
  /** Lower-case, as Keycloak keeps it. */
  readonly username: string
  /** Lower-case, as Keycloak keeps it; null where there is none. */
  readonly email: string | null
  /** The application's row; null without a user store. */
  readonly user: User
  /**
   * Steps that are still to be taken, by Keycloak's names, as far as they can be read: `VERIFY_EMAIL`, for example. Where
   * `onboarding` is `"verify-email"` and the mail could not be sent, `SEND_VERIFY_EMAIL` is one of them.
   */
  readonly pending: readonly string[]
}

/**
 * Creates an account with its password in Keycloak and then the application's row, as one operation: a step that fails
 * takes the account back.
 *
 * `extra` is the application's own sign-up data; it reaches `userStore.saveUser` untouched. Where Keycloak's answer is lost
 * even twice, or the account can't be taken back, the caller gets `keycloak_unavailable`. The account may exist then, and
 * its person can log in. What it lacks is added when Keycloak answers again; nothing removes it any more.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when a field is missing, empty, of a wrong type, too long or holds
 * control characters; nothing is sent then
 * @throws {GateError} `account_rejected` (with `fields`) when Keycloak's profile or password rules refuse it
 * @throws {GateError} `user_exists` (with `field`, null where Keycloak can't tell) when username or e-mail is taken
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached; `keycloak_refused_us` when the service account
 * lacks a right; `config_invalid` without a client secret; `closed` after `close()`
 * @throws what the user store throws, untouched, after the account was removed again
 * @see https://www.keycloak.org/docs-api/latest/rest-api/#_users
 * @example
 * const { subject } = await gate.registerUser({ username, email, firstName, lastName, password })
 */
export type RegisterUser<User> = (registration: Registration, extra?: unknown) => Promise<Registered<User>>

export async function registerUser<User>(
  context: AccountContext<User>,
  registration: Registration,
  extra?: unknown,
): Promise<Registered<User | null>> {
  const { registration: defaults, issuer } = context
  const { finish, missing, sendMail } = createFinishing(context)
  const { person, problems } = readRegistration(registration)
  if (problems.length > 0) throw invalidFields(withMissingNames(person, problems, context.rules.known()))
  checkReserved(person.username)
  if (!defaults.allowEmailLikeUsernames && isSomebodysEmail(person.username ?? "", person.email ?? ""))
    throw notOwnEmail()
  const attributes = { ...person.attributes, ...defaults.attributes }
  const rules = await context.rules.get()
  const { username, email, firstName, lastName } = checkRules({ ...person, attributes }, rules)

  const emailVerified = defaults.emailVerified && email !== null
  const name =
    rules.emailAsUsername && email !== null ? { email: email.toLowerCase() } : { username: username.toLowerCase() }
  const account = {
    username,
    email,
    firstName,
    lastName,
    password: person.password,
    groups: defaults.groups,
    emailVerified,
    requiredActions: defaults.requiredActions,
    attributes,
  }
  // Keycloak's own folding; reading the account back would cost a third of the throughput.
  const names = { username: username.toLowerCase(), email: email?.toLowerCase() ?? null }
  const told = { ...names, emailVerified, firstName, lastName }
  // Before anything is sent: what the application throws in it has nothing to be undone.
  const profile = { issuer, ...told, ...context.custom.ofAccount(told, attributes) }
  const created = await context.createAccount(account, name).catch((error: unknown) => {
    // The realm may have changed its rules since they were read.
    if (isGateError(error) && error.code === "account_rejected") context.rules.forget()
    throw error
  })
  if ("lost" in created) {
    const { lost, stamps } = created
    context.unfinished.add({ name, subject: null, stamps, missing: missing(profile, extra) }, lost)
    throw lost
  }

  const { id: subject, createdTimestamp } = created
  const user = await finish({ ...profile, subject, asOf: new Date(createdTimestamp) }, extra, name)
  const unverified = rules.verifyEmail && email !== null && !emailVerified ? ["VERIFY_EMAIL"] : []
  const mail = email === null ? [] : await sendMail(subject)
  const pending = [...defaults.requiredActions, ...rules.requiredActions, ...unverified, ...mail]
  return Object.freeze({ subject, ...names, user, pending: Object.freeze([...new Set(pending)]) })
}

const textRules = {
  username: { maxLength: 255, optional: "or empty" },
  email: { maxLength: 255, optional: "or empty" },
  firstName: { maxLength: 255, optional: "or empty" },
  lastName: { maxLength: 255, optional: "or empty" },
  password: { maxLength: 256, blank: true },
} satisfies Record<string, FieldRule>

/** Every field as usable text, or everything that is wrong with them; other members of the input are never read. */
function readRegistration(registration: Registration): {
  readonly person: CheckedFields & { readonly password: string }
  readonly problems: readonly FieldProblem[]
} {
  const { values, problems } = readFields(registration, textRules)
  const asked: unknown = registration?.attributes ?? {}
  const { names, problems: badNames } = readAttributeNames(asked)
  const attributes = names.map(name => [name, readValues(name, (asked as Record<string, unknown>)[name])] as const)
  const badValues = attributes.flatMap(([, read]) => read.problems)
  const { username = null, email = null, firstName = null, lastName = null, password = "" } = values
  const lists = attributes.filter(([, { list }]) => list.length > 0).map(([name, { list }]) => [name, list] as const)
  return {
    person: { username, email, firstName, lastName, password, attributes: Object.fromEntries(lists) },
    problems: [...problems, ...badNames, ...badValues],
  }
}

/** What is wrong, and which names are missing beside it: by the realm's rules if they are known, else by Keycloak's own. */
function withMissingNames(
  person: CheckedFields,
  problems: readonly FieldProblem[],
  known: RegistrationRules | null,
): readonly FieldProblem[] {
  const required = known?.required ?? ["email", "firstName", "lastName"]
  const wrong = new Set(problems.map(({ field }) => field))
  const missing = missingNames(person, required).filter(({ field }) => !wrong.has(field))
  const place = ({ field }: FieldProblem) => [...Object.keys(textRules), field].indexOf(field)
  return [...missing, ...problems].sort((one, other) => place(one) - place(other))
}

/** The values of an attribute; one that was left empty is none. */
function readValues(name: string, value: unknown): { list: readonly string[]; problems: readonly FieldProblem[] } {
  const given = [value].flat()
  if (given.length > maxAttributes)
    return { list: [], problems: [{ field: name, rule: "too_many", params: [maxAttributes] }] }
  const read = given.map(one => readFields({ [name]: one }, { [name]: { maxLength: 2048, optional: "or empty" } }))
  return { list: read.flatMap(({ values }) => values[name] ?? []), problems: read.flatMap(({ problems }) => problems) }
}
