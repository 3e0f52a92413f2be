import type RealmRepresentation from "@keycloak/keycloak-admin-client/lib/defs/realmRepresentation.js"
import type RequiredActionRepresentation from "@keycloak/keycloak-admin-client/lib/defs/requiredActionProviderRepresentation.js"
import type {
  UserProfileAttributeMetadata,
  UserProfileConfig,
  UserProfileMetadata,
} from "@keycloak/keycloak-admin-client/lib/defs/userProfileMetadata.js"
import { toList } from "../../keycloak/admin-api.js"
import type { Channel } from "./channel.js"

/** What the realm asks of a new account. */
export interface RegistrationRules {
  readonly emailAsUsername: boolean
  readonly verifyEmail: boolean
  /** Steps that the realm asks of every new account, where the service account may read them. */
  readonly requiredActions: readonly string[]
  /** Attributes without which a person can't log in. */
  readonly required: readonly string[]
  /** All attributes of the realm's user profile. */
  readonly known: readonly string[]
  /** Those that an administrator may write, with those that Keycloak adds by itself; it drops the others silently. */
  readonly writable: readonly string[]
  /** Those that have one value at most. */
  readonly singleValued: readonly string[]
  /** Whether attributes that the profile does not know are kept. */
  readonly keepsUnknown: boolean
}

export async function readRules({ api }: Channel): Promise<RegistrationRules> {
  const [profile, shown, settings] = await Promise.all([
    api.read("/users/profile", toProfile),
    // As Keycloak shows them to this service account: with `locale` in a realm of several languages.
    api.read("/users/profile/metadata", toShownProfile),
    api.read("", toSettings),
  ])
  if (profile === null || shown === null || settings === null) throw api.notKeycloak()
  const { attributes } = profile
  // Keycloak tells both only to a service account that has `view-realm` as well.
  const seesRealm = settings.verifyEmail !== undefined
  const path = "/authentication/required-actions"
  const actions = seesRealm ? await api.read(path, toList<RequiredActionRepresentation>) : null
  return {
    emailAsUsername: settings.registrationEmailAsUsername === true,
    verifyEmail: settings.verifyEmail === true,
    requiredActions: (actions ?? [])
      .filter(({ enabled, defaultAction }) => enabled === true && defaultAction === true)
      .map(({ alias = "" }) => alias),
    required: attributes.filter(isRequiredOfUsers).map(({ name = "" }) => name),
    known: attributes.map(({ name = "" }) => name),
    writable: shown.filter(({ readOnly }) => readOnly !== true).map(({ name = "" }) => name),
    singleValued: shown.filter(({ multivalued }) => multivalued === false).map(({ name = "" }) => name),
    keepsUnknown: ["ENABLED", "ADMIN_EDIT"].includes(String(profile.unmanagedAttributePolicy)),
  }
}

type Profile = UserProfileConfig & Required<Pick<UserProfileConfig, "attributes">>

function toProfile(data: unknown): Profile | null {
  return Array.isArray((data as Profile | null)?.attributes) ? (data as Profile) : null
}

function toShownProfile(data: unknown): readonly UserProfileAttributeMetadata[] | null {
  const { attributes } = (data ?? {}) as UserProfileMetadata
  return Array.isArray(attributes) ? attributes : null
}

function toSettings(data: unknown): RealmRepresentation | null {
  const settings = data as RealmRepresentation | null
  return settings?.realm === undefined ? null : settings
}

/** Required of the person, whatever scope asks; what is required of administrators Keycloak itself refuses. */
function isRequiredOfUsers({ required }: { required?: { roles?: string[]; scopes?: string[] } }): boolean {
  if (required === undefined || required === null) return false
  const { roles = [], scopes = [] } = required
  return scopes.length === 0 && (roles.length === 0 || roles.includes("user"))
}
