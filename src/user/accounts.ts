import type { GateError } from "../errors.js"

/** Keycloak's accounts, as far as registration needs them; what carries it out is in `keycloak/admin-client.ts`. */
export interface Accounts {
  /** Creates account and password in one call, which Keycloak does wholly or not at all. */
  readonly createAccount: (account: NewAccount) => Promise<CreateOutcome>
  /** Deletes by id; an account that is gone already is fine. */
  readonly deleteAccount: (id: string) => Promise<void>
  /** Those that it has already are fine. */
  readonly assignRealmRoles: (id: string, names: readonly string[]) => Promise<void>
  /** The account of exactly this username or e-mail. */
  readonly findAccount: (by: AccountName) => Promise<FoundAccount | null>
  readonly readRules: () => Promise<RegistrationRules>
}

/** Lost: the request may have done its work, but its answer never came. */
type CreateOutcome = { readonly id: string } | { readonly lost: GateError }

/** How Keycloak keeps two accounts apart: by username, or by e-mail where that is the username. */
export type AccountName = { readonly username: string } | { readonly email: string }

export interface NewAccount {
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly password: string
  readonly emailVerified: boolean
  readonly groups: readonly string[]
  readonly requiredActions: readonly string[]
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** Milliseconds since 1970; Keycloak keeps it as sent, which makes it the mark of one attempt. */
  readonly createdTimestamp: number
}

export interface FoundAccount {
  readonly id: string
  readonly createdTimestamp: number
  readonly emailVerified: boolean
}

/** What the realm asks of a new account. */
export interface RegistrationRules {
  readonly emailAsUsername: boolean
  readonly verifyEmail: boolean
  /** Steps that the realm asks of every new account, where the service account may read them. */
  readonly requiredActions: readonly string[]
  /** Attributes without which a person can't log in. */
  readonly required: readonly string[]
  /** All attributes that the realm's user profile knows. */
  readonly attributes: readonly string[]
  /** Whether other attributes are kept too; Keycloak drops them silently otherwise. */
  readonly keepsUnknownAttributes: boolean
}
