import type { Accounts } from "./accounts.js"
import { type BruteForce, type BruteForceSettings, createBruteForce } from "./brute-force.js"
import type { Client, ClientScope } from "./clients.js"
import type { Group, Groups } from "./groups.js"
import type { OneTimeCodePolicy } from "./one-time-code.js"
import type { PasswordPolicy } from "./password-policy.js"
import type { RequiredAction } from "./required-actions.js"
import type { Role, Roles } from "./roles.js"
import type { SentMail } from "./sent-mail.js"
import { createSessions, type Sessions } from "./sessions.js"
import { createSigningKeys, type SigningKeys } from "./signing-keys.js"
import type { UserProfile } from "./user-profile.js"

/** A realm in memory: all that the endpoints answer from. */
export interface RealmModel extends ImportedRealm {
  readonly sessions: Sessions
  readonly bruteForce: BruteForce
  readonly keys: SigningKeys
  /** What Keycloak would have sent. */
  readonly mails: SentMail[]
  /** Ids of access tokens that were revoked one by one. */
  readonly revokedTokens: Set<string>
  /** Claims that a test has put into a token, by the token's id: introspection answers them too. */
  readonly claimsGiven: Map<string, Readonly<Record<string, unknown>>>
  /** Where clients hear of logouts, in place of what their attributes say; by Client ID. */
  readonly logoutUrls: Map<string, LogoutUrl>
}

interface LogoutUrl {
  /** Empty: nowhere. */
  readonly url: string
  /** Whether the logout token names the session, and not only its person. */
  readonly sessionRequired: boolean
}

/** What a realm file tells of a realm. */
interface ImportedRealm {
  readonly id: string
  readonly name: string
  readonly isEnabled: boolean
  readonly settings: RealmSettings
  /** The settings in the form of the Admin API. */
  readonly representation: Readonly<Record<string, unknown>>
  readonly profile: UserProfile
  readonly passwordPolicy: PasswordPolicy
  readonly clients: ReadonlyMap<string, Client>
  readonly scopes: ReadonlyMap<string, ClientScope>
  readonly roles: Roles
  /** What every new account gets. */
  readonly defaultRole: Role
  readonly defaultGroups: readonly Group[]
  readonly requiredActions: ReadonlyMap<string, RequiredAction>
  readonly groups: Groups
  readonly accounts: Accounts
}

export interface RealmSettings {
  readonly emailAsUsername: boolean
  readonly verifyEmail: boolean
  readonly loginWithEmail: boolean
  readonly editUsername: boolean
  readonly organizations: boolean
  /** People choose a language, which is an attribute of theirs. */
  readonly hasLanguages: boolean
  readonly recordsEvents: boolean
  readonly recordsAdminEvents: boolean
  readonly bruteForce: BruteForceSettings
  readonly revokeRefreshToken: boolean
  readonly refreshTokenMaxReuse: number
  readonly asksForOneTimeCode: boolean
  readonly oneTimeCodes: OneTimeCodePolicy
  readonly accessTokenSeconds: number
  readonly sessionIdleSeconds: number
  readonly sessionMaxSeconds: number
  /** 0: as long as the session. */
  readonly clientSessionIdleSeconds: number
  readonly clientSessionMaxSeconds: number
  readonly offlineIdleSeconds: number
  readonly notBefore: number
  readonly signatureAlgorithm: string
  readonly sendsMail: boolean
  /** Where people reach the realm, when that is not where they have asked. */
  readonly frontendUrl: string | null
  /** The names of the levels of authentication, as JSON. */
  readonly levels: string
}

/** A realm that nobody has used yet. */
export function createRealmModel(imported: ImportedRealm): RealmModel {
  return {
    ...imported,
    sessions: createSessions(),
    bruteForce: createBruteForce(imported.settings.bruteForce),
    keys: createSigningKeys(imported.name, imported.settings.signatureAlgorithm),
    mails: [],
    revokedTokens: new Set(),
    claimsGiven: new Map(),
    logoutUrls: new Map(),
  }
}
