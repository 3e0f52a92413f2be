import type { GateError } from "../errors.js"

/** What happens to an account after its registration; what carries it out is in `keycloak/account-calls.ts`. */
export interface AccountLife {
  /** Null: there is no such account. */
  readonly readAccount: (id: string) => Promise<StoredAccount | null>
  /** Accounts of exactly this e-mail: more than one where the realm allows that. */
  readonly findByEmail: (email: string) => Promise<readonly StoredAccount[]>
  /** Writes the members that are there and leaves the others; false: there is no such account. */
  readonly writeAccount: (id: string, change: AccountChange) => Promise<boolean>
  /** Lost: it may have been set, but the answer never came. */
  readonly setPassword: (id: string, password: NewPassword) => Promise<boolean | { readonly lost: GateError }>
  readonly sendPasswordReset: (id: string, mail: Mail) => Promise<MailOutcome>
  readonly sendEmailVerification: (id: string, mail: Mail) => Promise<MailOutcome>
}

export interface AccountSessions {
  /** Ends every one, offline ones too; an account that is gone has none. */
  readonly endSessions: (id: string) => Promise<void>
  /** Ends those that began until then, to the second. */
  readonly endSessionsUntil: (id: string, until: Date) => Promise<void>
}

/** An account as Keycloak has it. */
export interface StoredAccount {
  readonly id: string
  readonly username: string
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly enabled: boolean
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** When Keycloak said this, by its own clock. */
  readonly asOf: Date
}

export interface AccountChange {
  readonly username?: string
  /** Empty: removed; so are the names. */
  readonly email?: string
  readonly emailVerified?: boolean
  readonly firstName?: string
  readonly lastName?: string
  readonly enabled?: boolean
  /** All of them: what is not in here is removed. Username, e-mail and names have to come along. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>
}

export interface NewPassword {
  readonly value: string
  /** Keycloak asks for another one at the next login. */
  readonly temporary: boolean
}

export interface Mail {
  readonly redirectUri?: string | undefined
  readonly lifespanSeconds?: number | undefined
}

export type MailOutcome = "sent" | "unknown" | "disabled" | "without_email"
