/** All of Keycloak's accounts, read page by page; what carries it out is in `keycloak/account-listing.ts`. */
export interface AccountListing {
  /**
   * Accounts in the order of their usernames, service accounts left out.
   *
   * @throws {GateError} `keycloak_refused_us` when the service account may not see accounts
   */
  readonly readPage: (range: ListingRange) => Promise<AccountPage>
  readonly countAccounts: (createdAfter: Date | null) => Promise<number>
  /** Throws where Keycloak would answer every listing with an empty list instead of a refusal. */
  readonly assertMaySee: () => Promise<void>
  /** Those of these subjects that a search does not find: mostly, but not only, because their account is gone. */
  readonly notListed: (subjects: readonly string[]) => Promise<readonly string[]>
  /** Those of these subjects whose account is gone, each proven by Keycloak's own word. */
  readonly withoutAccount: (subjects: readonly string[]) => Promise<readonly string[]>
}

interface ListingRange {
  readonly first: number
  readonly max: number
  readonly createdAfter: Date | null
}

export interface AccountPage {
  /** What the page tells was true at this moment or later, by Keycloak's own clock. */
  readonly asOf: Date
  readonly accounts: readonly ListedAccount[]
}

export interface ListedAccount {
  readonly id: string
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
}
