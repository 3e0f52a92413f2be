import type RealmRepresentation from "@keycloak/keycloak-admin-client/lib/defs/realmRepresentation.js"
import type RequiredActionRepresentation from "@keycloak/keycloak-admin-client/lib/defs/requiredActionProviderRepresentation.js"
import type { UserProfileConfig } from "@keycloak/keycloak-admin-client/lib/defs/userProfileMetadata.js"
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
  /** All attributes that the realm's user profile knows. */
  readonly attributes: readonly string[]
  /** Whether other attributes are kept too; Keycloak drops them silently otherwise. */
  readonly keepsUnknownAttributes: boolean
}

export async function readRules({ api }: Channel): Promise<RegistrationRules> {
  const [profile, settings] = await Promise.all([api.read("/users/profile", toProfile), api.read("", toSettings)])
  if (profile === null || settings === null) throw api.notKeycloak()
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
    attributes: attributes.map(({ name = "" }) => name),
    keepsUnknownAttributes: ["ENABLED", "ADMIN_EDIT"].includes(String(profile.unmanagedAttributePolicy)),
  }
}

type Profile = UserProfileConfig & Required<Pick<UserProfileConfig, "attributes">>

function toProfile(data: unknown): Profile | null {
  return Array.isArray((data as Profile | null)?.attributes) ? (data as Profile) : null
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
