import { GateError, isGateError } from "../errors.js"
import type { UserIdentity, UserProfile } from "../users/user-store.js"
import type { AccountContext } from "./account-context.js"
import { type AccountName, removeAccount } from "./keycloak/account.js"
import { mailEmailVerification } from "./keycloak/mails.js"
import { assignRealmRoles } from "./keycloak/roles.js"
import type { Missing, UnfinishedRegistration } from "./unfinished-registrations.js"

type Left = Omit<UnfinishedRegistration, "subject">

/** What comes after the account: its roles, its row and the mail; and how it is undone or finished later. */
export interface Finishing<User> {
  /** Roles and the row; if either fails, the account and whatever the store has begun go again. */
  readonly finish: (profile: UserProfile, extra: unknown, name: AccountName) => Promise<User | null>
  /** What an account gets later, in the order of a registration. */
  readonly missing: (person: Omit<UserProfile, "subject" | "asOf">, extra: unknown) => Missing[]
  /** The names of steps that are left to the person, and to the application where the mail was not sent. */
  readonly sendMail: (subject: string) => Promise<readonly string[]>
}

export function createFinishing<User>(context: AccountContext<User>): Finishing<User> {
  const { registration, rows, unfinished, report } = context
  const channel = context.channelIn("registration")
  const later = context.channelIn("background")
  const { realmRoles } = registration
  const givesRoles = realmRoles.length > 0
  const sendsMail = registration.onboarding === "verify-email"
  const saveRegistered = async (profile: UserProfile, extra: unknown) =>
    (await rows?.saveRegistered(profile, extra)) ?? null

  /** Roles and the row; if either fails, the account and whatever the store has begun go again. */
  async function finish(profile: UserProfile, extra: unknown, name: AccountName): Promise<User | null> {
    let hasRoles = !givesRoles
    try {
      if (givesRoles) await assignRealmRoles(channel, profile.subject, realmRoles)
      hasRoles = true
      return await saveRegistered(profile, extra)
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
      await removeAccount(channel, subject).catch(() => removeAccount(channel, subject))
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
    await context.removeUser({ issuer, subject }).catch((undoError: unknown) => {
      // The store's fault twice over, and so the application's own error.
      throw new Error(
        `Registering failed and its account was removed again, but removing the row failed too: a row of ${subject} may be left, which nobody can reach.`,
        causes(undoError),
      )
    })
  }

  /** What the account of a registration that failed is to get later, in the order of a registration. */
  function missing(person: Omit<UserProfile, "subject" | "asOf">, extra: unknown, hasRoles = !givesRoles): Missing[] {
    const roles: Missing = { what: "realm roles", make: ({ id }) => assignRealmRoles(later, id, realmRoles) }
    const row: Missing = {
      what: "row",
      make: ({ id, createdTimestamp }) =>
        saveRegistered({ ...person, subject: id, asOf: new Date(createdTimestamp) }, extra),
    }
    const mail: Missing = {
      what: "verification mail",
      make: async ({ id, emailVerified }) => emailVerified || mailEmailVerification(later, id, {}),
    }
    return [...(hasRoles ? [] : [roles]), row, ...(sendsMail ? [mail] : [])]
  }

  /** Keycloak's mail with the link. The account and its row stand, whatever becomes of it. */
  async function sendMail(subject: string): Promise<readonly string[]> {
    if (!sendsMail) return []
    try {
      const outcome = await mailEmailVerification(channel, subject, {})
      return outcome === "sent" ? ["VERIFY_EMAIL"] : ["VERIFY_EMAIL", "SEND_VERIFY_EMAIL"]
    } catch (error) {
      if (isGateError(error)) report({ type: "refusal", error })
      return ["VERIFY_EMAIL", "SEND_VERIFY_EMAIL"]
    }
  }

  return { finish, missing, sendMail }
}
