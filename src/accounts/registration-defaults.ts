/** What the application gives every new account. */
export interface RegistrationDefaults {
  /** Group paths, such as `/editors`. */
  readonly groups?: readonly string[] | undefined
  /** Names of realm roles; client roles come through groups. */
  readonly realmRoles?: readonly string[] | undefined
  /** Profile attributes. */
  readonly attributes?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Whether the e-mail counts as verified from the start; default false. */
  readonly emailVerified?: boolean | undefined
  /** Keycloak's names of steps that the person has to take before the first login, such as `UPDATE_PASSWORD`. */
  readonly requiredActions?: readonly string[] | undefined
  /**
   * `"verify-email"`: after the row exists, Keycloak sends its mail with the link that verifies the e-mail (the realm needs
   * Realm settings → Email). If that fails, the registration stands and `pending` has `SEND_VERIFY_EMAIL`.
   */
  readonly onboarding?: "verify-email" | undefined
  /**
   * Lets a username be an e-mail that is not the person's own, also in `updateAccount`; default false. Whoever takes a
   * stranger's e-mail for a name keeps the stranger from registering, and passes for them. For realms with such names.
   */
  readonly allowEmailLikeUsernames?: boolean | undefined
}

/** The same after all checks. */
export interface RegistrationSettings {
  readonly groups: readonly string[]
  readonly realmRoles: readonly string[]
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly emailVerified: boolean
  readonly requiredActions: readonly string[]
  readonly onboarding: "verify-email" | null
  readonly allowEmailLikeUsernames: boolean
}
