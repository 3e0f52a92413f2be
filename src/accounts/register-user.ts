import { isGateError } from "../errors.js"
import { type FieldRule, invalidFields, readAttributeNames, readFields } from "../fields.js"
import type { AccountContext } from "./account-context.js"
import { createFinishing } from "./finish-registration.js"
import { checkReserved, checkRules, isSomebodysEmail, notOwnEmail } from "./registration-rules.js"

/** What a person sends to register. */
export interface Registration {
  /** May be absent only where the realm uses the e-mail as username. */
  readonly username?: string | undefined
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  /** 1–256 characters. */
  readonly password: string
  /** Profile attributes that the application asks for. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/** An account that exists, with its row. */
export interface Registered<User> {
  readonly subject: string
  /** Lower-case, as Keycloak keeps it. */
  readonly username: string
  /** Lower-case, as Keycloak keeps it. */
  readonly email: string
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
  const given = context.registration
  const { finish, missing, sendMail } = createFinishing(context)
  const person = readRegistration(registration)
  checkReserved(person.username)
  if (!given.allowEmailLikeUsernames && isSomebodysEmail(person.username ?? "", person.email)) throw notOwnEmail()
  const attributes = { ...person.attributes, ...given.attributes }
  const rules = await context.rules.get()
  const username = person.username ?? (rules.emailAsUsername ? person.email : null)
  if (username === null) throw invalidFields([{ field: "username", rule: "required", params: [] }])
  checkRules({ ...person, attributes }, rules)

  const { email, firstName, lastName, password } = person
  const { groups, emailVerified, requiredActions } = given
  const name = rules.emailAsUsername ? { email: email.toLowerCase() } : { username: username.toLowerCase() }
  const account = {
    username,
    email,
    firstName,
    lastName,
    password,
    groups,
    emailVerified,
    requiredActions,
    attributes,
  }
  // Keycloak's own folding; reading the account back would cost a third of the throughput.
  const names = { username: username.toLowerCase(), email: email.toLowerCase() }
  const profile = { issuer: context.issuer, ...names, emailVerified, firstName, lastName }
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
  const pending = [
    ...requiredActions,
    ...rules.requiredActions,
    ...(rules.verifyEmail && !emailVerified ? ["VERIFY_EMAIL"] : []),
    ...(await sendMail(subject)),
  ]
  return Object.freeze({ subject, ...names, user, pending: Object.freeze([...new Set(pending)]) })
}

const textRules = {
  username: { maxLength: 255, optional: true },
  email: { maxLength: 255 },
  firstName: { maxLength: 255 },
  lastName: { maxLength: 255 },
  password: { maxLength: 256, blank: true },
} satisfies Record<string, FieldRule>

/** Every field as usable text, or everything that is wrong with them; other members of the input are never read. */
function readRegistration(registration: Registration) {
  const { values, problems } = readFields(registration, textRules)
  const asked: unknown = registration?.attributes ?? {}
  const { names, problems: badNames } = readAttributeNames(asked)
  const attributeRules = Object.fromEntries(names.map(name => [name, { maxLength: 2048 }]))
  const attributes = readFields(asked, attributeRules)
  const wrong = [...problems, ...badNames, ...attributes.problems]
  if (wrong.length > 0) throw invalidFields(wrong)
  const { username = null, email = "", firstName = "", lastName = "", password = "" } = values
  const lists = Object.entries(attributes.values).map(([name, value]) => [name, [value ?? ""]] as const)
  return { username, email, firstName, lastName, password, attributes: Object.fromEntries(lists) }
}
