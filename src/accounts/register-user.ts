import { GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import { type FieldRule, invalidFields, readAttributeNames, readFields } from "../fields.js"
import type { UserIdentity, UserProfile } from "../users/user-store.js"
import type { CreateAccount } from "./create-account.js"
import type { AccountLife } from "./keycloak/account.js"
import type { AccountName, Accounts, RegistrationRules } from "./keycloak/registration.js"
import type { RegistrationSettings } from "./registration-defaults.js"
import { checkReserved, checkRules, isSomebodysEmail, notOwnEmail, type RulesCache } from "./registration-rules.js"
import type { Missing, UnfinishedRegistration, UnfinishedRegistrations } from "./unfinished-registrations.js"

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

export interface RegisterParts<User> {
  readonly issuer: string
  readonly createAccount: CreateAccount
  /** Whose places these take: those of the caller. */
  readonly accounts: RegisteredAccounts
  /** Those of work beside the requests. */
  readonly accountsLater: RegisteredAccounts
  readonly rules: RulesCache
  readonly unfinished: UnfinishedRegistrations
  readonly saveRegistered: (profile: UserProfile, extra: unknown) => Promise<User>
  readonly removeUser: (identity: UserIdentity) => Promise<void>
  /** What the application gives every new account. */
  readonly defaults: RegistrationSettings
  readonly report: Report
}

type Left = Omit<UnfinishedRegistration, "subject">
type RegisteredAccounts = Pick<Accounts, "assignRealmRoles" | "deleteAccount"> &
  Pick<AccountLife, "sendEmailVerification">

export function createRegisterUser<User>(parts: RegisterParts<User>): RegisterUser<User> {
  const { createAccount, accounts, accountsLater, unfinished, defaults, report } = parts
  const { realmRoles } = defaults
  const givesRoles = realmRoles.length > 0
  const sendsMail = defaults.onboarding === "verify-email"

  /** Roles and the row; if either fails, the account and whatever the store has begun go again. */
  async function finish(profile: UserProfile, extra: unknown, name: AccountName): Promise<User> {
    let hasRoles = !givesRoles
    try {
      if (givesRoles) await accounts.assignRealmRoles(profile.subject, realmRoles)
      hasRoles = true
      return await parts.saveRegistered(profile, extra)
    } catch (error) {
      const stamps = [profile.asOf.getTime()]
      await undo(profile, error, { name, stamps, missing: missing(profile, extra, hasRoles) })
      throw error
    }
  }

  /** @throws what failed first along with what failed now; an account that is left is finished later */
  async function undo({ issuer, subject }: UserIdentity, error: unknown, left: Left): Promise<void> {
    const causes = (undoError: unknown) => ({
      cause: new AggregateError([error, undoError], "what failed, and what failed while undoing it"),
    })
    try {
      // Deleting twice is deleting once, so a lost answer costs a second request and no more.
      await accounts.deleteAccount(subject).catch(() => accounts.deleteAccount(subject))
    } catch (undoError) {
      const both = new GateError(
        isGateError(undoError) ? undoError.code : "keycloak_unavailable",
        `Registering failed, and so did undoing it: account ${subject} may be left. It can log in. What it lacks is added ` +
          "when Keycloak answers again.",
        causes(undoError),
      )
      unfinished.add({ ...left, subject }, both)
      throw both
    }
    await parts.removeUser({ issuer, subject }).catch((undoError: unknown) => {
      // The store's fault twice over, and so the application's own error.
      throw new Error(
        `Registering failed and its account was removed again, but removing the row failed too: a row of ${subject} may be left, which nobody can reach.`,
        causes(undoError),
      )
    })
  }

  /** What the account of a registration that failed is to get later, in the order of a registration. */
  function missing(person: Omit<UserProfile, "subject" | "asOf">, extra: unknown, hasRoles: boolean): Missing[] {
    const roles: Missing = { what: "realm roles", make: ({ id }) => accountsLater.assignRealmRoles(id, realmRoles) }
    const row: Missing = {
      what: "row",
      make: ({ id, createdTimestamp }) =>
        parts.saveRegistered({ ...person, subject: id, asOf: new Date(createdTimestamp) }, extra),
    }
    const mail: Missing = {
      what: "verification mail",
      make: async ({ id, emailVerified }) => emailVerified || accountsLater.sendEmailVerification(id, {}),
    }
    return [...(hasRoles ? [] : [roles]), row, ...(sendsMail ? [mail] : [])]
  }

  /** Keycloak's mail with the link. The account and its row stand, whatever becomes of it. */
  async function sendMail(subject: string): Promise<readonly string[]> {
    if (!sendsMail) return []
    try {
      const outcome = await accounts.sendEmailVerification(subject, {})
      return outcome === "sent" ? ["VERIFY_EMAIL"] : ["VERIFY_EMAIL", "SEND_VERIFY_EMAIL"]
    } catch (error) {
      if (isGateError(error)) report({ type: "refusal", error })
      return ["VERIFY_EMAIL", "SEND_VERIFY_EMAIL"]
    }
  }

  return async (registration, extra) => {
    const person = readRegistration(registration)
    checkReserved(person.username)
    if (!defaults.allowEmailLikeUsernames && isSomebodysEmail(person.username ?? "", person.email)) throw notOwnEmail()
    const attributes = { ...person.attributes, ...defaults.attributes }
    const rules = await parts.rules.get()
    const username = person.username ?? (rules.emailAsUsername ? person.email : null)
    if (username === null) throw invalidFields([{ field: "username", rule: "required", params: [] }])
    checkRules({ ...person, attributes }, rules)

    const { email, firstName, lastName, password } = person
    const { groups, emailVerified, requiredActions } = defaults
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
    const profile = { issuer: parts.issuer, ...names, emailVerified, firstName, lastName }
    const created = await createAccount(account, name).catch((error: unknown) => {
      // The realm may have changed its rules since they were read.
      if (isGateError(error) && error.code === "account_rejected") parts.rules.forget()
      throw error
    })
    if ("lost" in created) {
      const { lost, stamps } = created
      unfinished.add({ name, subject: null, stamps, missing: missing(profile, extra, !givesRoles) }, lost)
      throw lost
    }

    const { id: subject, createdTimestamp } = created
    const user = await finish({ ...profile, subject, asOf: new Date(createdTimestamp) }, extra, name)
    const pending = [...requiredActions, ...rules.requiredActions, ...verification(rules), ...(await sendMail(subject))]
    return Object.freeze({ subject, ...names, user, pending: Object.freeze([...new Set(pending)]) })
  }

  function verification({ verifyEmail }: RegistrationRules): readonly string[] {
    return verifyEmail && !defaults.emailVerified ? ["VERIFY_EMAIL"] : []
  }
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
