import { defaultUserProfile, type UserProfile, unknownValidations } from "../realm/user-profile.js"
import type { Migrations } from "./migrations.js"
import type { Problems } from "./problems.js"
import type { ComponentFile, KnownRealmFile } from "./realm-file.js"

const component = "org.keycloak.userprofile.UserProfileProvider"

export function importProfile(file: KnownRealmFile, migrations: Migrations, problems: Problems): UserProfile {
  const profile = profileOf(file, problems)
  for (const [attribute, validation] of unknownValidations(profile))
    problems.add(
      `components.${component}.${attribute}.${validation}`,
      `the validation "${validation}" of the user profile is not known to the test realm`,
    )
  return migrations.keepsUnmanagedAttributes ? { ...profile, unmanagedAttributePolicy: "ENABLED" } : profile
}

function profileOf({ components, keycloakVersion, attributes }: KnownRealmFile, problems: Problems): UserProfile {
  const [{ config = {} } = {} as ComponentFile] = components?.[component] ?? []
  const text = config["kc.user.profile.config"]?.[0] ?? (isInPieces(keycloakVersion, attributes) ? pieces(config) : "")
  if (text === "") return defaultUserProfile
  try {
    const { attributes = [], groups = [], ...profile } = JSON.parse(text) as UserProfile
    return { ...profile, attributes: attributes.map(one => ({ multivalued: false, ...one })), groups }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    problems.add(`components.${component}`, "the user profile is no JSON")
    return defaultUserProfile
  }
}

/** Before Keycloak 23 a realm that had switched the user profile on kept it so. */
function isInPieces(version = "", attributes: KnownRealmFile["attributes"] = {}): boolean {
  return /^(1[2-9]|2[0-2])\b/.test(version) && attributes.userProfileEnabled === "true"
}

function pieces(config: NonNullable<ComponentFile["config"]>): string {
  const count = Number(config["config-pieces-count"]?.[0] ?? 0)
  return Array.from({ length: count }, (_, index) => config[`config-piece-${index}`]?.[0] ?? "").join("")
}
