/** A row of `app_user`: what Keycloak tells about a person, and what is the application's own. */
export interface Row {
  /** The key that the application's other tables refer to; a bigint, which `pg` hands over as text. */
  readonly id: string
  readonly issuer: string
  readonly subject: string
  readonly username: string | null
  readonly email: string | null
  readonly email_verified: boolean
  readonly first_name: string | null
  readonly last_name: string | null
  /** What else the application keeps of tokens and accounts: see `customProfile`. */
  readonly custom: Readonly<Record<string, unknown>>
  readonly as_of: Date
  readonly custom_as_of: Date | null
  /** The application's own: chosen at sign-up, and no token ever changes it. */
  readonly plan: string | null
  readonly created_at: Date
}

/** The `extra` of `registerUser(registration, extra)`. */
export interface SignUp {
  readonly plan?: string
}
