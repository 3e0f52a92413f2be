import type { Problems } from "./problems.js"
import type { KnownRealmFile } from "./realm-file.js"

/** What Keycloak 26.7 adds to the export of an older version when it imports it. */
export interface Migrations {
  /** Built-in client scopes that every client gets. */
  readonly scopesForAll: readonly string[]
  /** Built-in client scopes that every client can ask for. */
  readonly optionalForAll: readonly string[]
  /** Built-in client scopes that the realm gets. */
  readonly scopes: readonly string[]
  readonly requiredActions: readonly string[]
  /** The realm kept attributes that no user profile knew. */
  readonly keepsUnmanagedAttributes: boolean
  /** The clients of the consoles had no lightweight tokens. */
  readonly lightensConsoles: boolean
  /** The order of the required actions was another one. */
  readonly movesRequiredActions: boolean
}

const oldest = "4.6"

/** A file without a version is taken as it is. */
export function migrationsOf(file: KnownRealmFile, problems: Problems): Migrations {
  const { keycloakVersion, attributes = {}, clientScopes } = file
  const version = keycloakVersion === undefined ? null : parsed(keycloakVersion)
  if (version !== null && isBefore(version, oldest))
    problems.add(
      "keycloakVersion",
      `the test realm imports exports of Keycloak ${oldest} or later, and this one is of "${keycloakVersion}"`,
    )
  const since = (target: string) => version !== null && isBefore(version, target)
  const lacks = (scope: string) => clientScopes?.some(({ name }) => name === scope) === false
  return {
    scopesForAll: [
      ...(since("18") && lacks("acr") ? ["acr"] : []),
      ...(since("25") && lacks("basic") ? ["basic"] : []),
    ],
    optionalForAll: since("6") ? ["microprofile-jwt"] : [],
    scopes: since("26.1") && lacks("service_account") ? ["service_account"] : [],
    requiredActions: [
      ...(since("9") ? ["update_user_locale"] : []),
      ...(since("24.0.3") ? ["delete_credential"] : []),
      ...(since("26.3") ? ["idp_link"] : []),
    ],
    keepsUnmanagedAttributes: since("24") && attributes.userProfileEnabled !== "true",
    lightensConsoles: since("26"),
    movesRequiredActions: since("26.7"),
  }
}

type Version = readonly number[]

/** Keycloak takes a version that it can't read for the oldest one; releases of Red Hat's product had other numbers. */
function parsed(text: string): Version {
  if (/^7\.[0-4]\.\d+\.GA$/.test(text)) return [0]
  return (/^\d+(\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number)
}

function isBefore(version: Version, target: string): boolean {
  const other = target.split(".").map(Number)
  for (let index = 0; index < 3; index++) {
    const difference = (version[index] ?? 0) - (other[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
