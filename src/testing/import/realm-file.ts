import { GateError } from "../../errors.js"
import {
  clientAttributes,
  clientMembers,
  groupMembers,
  type Members,
  realmAttributes,
  realmMembers,
  userMembers,
} from "./known-members.js"

/** A realm as Keycloak exports and imports it; `examples/realm.json` is one. */
export interface RealmFile {
  readonly realm: string
  readonly [member: string]: unknown
}

export interface MapperFile {
  readonly name?: string
  readonly protocol?: string
  readonly protocolMapper: string
  readonly config?: Readonly<Record<string, string>>
}

export interface ClientScopeFile {
  readonly name: string
  readonly protocol?: string
  readonly attributes?: Readonly<Record<string, string>>
  readonly protocolMappers?: readonly MapperFile[]
}

export interface ClientFile {
  readonly id?: string
  readonly clientId: string
  readonly secret?: string
  readonly enabled?: boolean
  readonly publicClient?: boolean
  readonly bearerOnly?: boolean
  readonly standardFlowEnabled?: boolean
  readonly directAccessGrantsEnabled?: boolean
  readonly serviceAccountsEnabled?: boolean
  readonly fullScopeAllowed?: boolean
  readonly consentRequired?: boolean
  readonly notBefore?: number
  readonly redirectUris?: readonly string[]
  readonly webOrigins?: readonly string[]
  readonly attributes?: Readonly<Record<string, string>>
  readonly protocolMappers?: readonly MapperFile[]
  readonly defaultClientScopes?: readonly string[]
  readonly optionalClientScopes?: readonly string[]
}

export interface RoleFile {
  readonly name: string
  readonly description?: string
  readonly composites?: {
    readonly realm?: readonly string[]
    readonly client?: Readonly<Record<string, readonly string[]>>
  }
}

export interface GroupFile {
  readonly name: string
  readonly realmRoles?: readonly string[]
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
  readonly attributes?: Readonly<Record<string, readonly string[]>>
  readonly subGroups?: readonly GroupFile[]
}

export interface CredentialFile {
  readonly type?: string
  readonly value?: string
  readonly temporary?: boolean
  readonly secretData?: string
  readonly credentialData?: string
}

export interface UserFile {
  readonly id?: string
  readonly username: string
  readonly email?: string
  readonly firstName?: string
  readonly lastName?: string
  readonly enabled?: boolean
  readonly emailVerified?: boolean
  readonly createdTimestamp?: number
  readonly notBefore?: number
  readonly serviceAccountClientId?: string
  readonly credentials?: readonly CredentialFile[]
  readonly requiredActions?: readonly string[]
  readonly realmRoles?: readonly string[]
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
  readonly groups?: readonly string[]
  readonly attributes?: Readonly<Record<string, readonly string[]>>
}

/** The members of a realm file that this server reads. */
export interface KnownRealmFile {
  readonly id?: string
  readonly realm: string
  readonly enabled?: boolean
  readonly passwordPolicy?: string
  readonly registrationEmailAsUsername?: boolean
  readonly verifyEmail?: boolean
  readonly loginWithEmailAllowed?: boolean
  readonly editUsernameAllowed?: boolean
  readonly organizationsEnabled?: boolean
  readonly bruteForceProtected?: boolean
  readonly permanentLockout?: boolean
  readonly bruteForceStrategy?: string
  readonly maxTemporaryLockouts?: number
  readonly failureFactor?: number
  readonly waitIncrementSeconds?: number
  readonly quickLoginCheckMilliSeconds?: number
  readonly minimumQuickLoginWaitSeconds?: number
  readonly maxFailureWaitSeconds?: number
  readonly maxDeltaTimeSeconds?: number
  readonly revokeRefreshToken?: boolean
  readonly refreshTokenMaxReuse?: number
  readonly otpPolicyCodeReusable?: boolean
  readonly accessTokenLifespan?: number
  readonly ssoSessionIdleTimeout?: number
  readonly ssoSessionMaxLifespan?: number
  readonly offlineSessionIdleTimeout?: number
  readonly notBefore?: number
  readonly defaultSignatureAlgorithm?: string
  readonly smtpServer?: Readonly<Record<string, string>>
  readonly clients?: readonly ClientFile[]
  readonly users?: readonly UserFile[]
  readonly groups?: readonly GroupFile[]
  readonly defaultGroups?: readonly string[]
  readonly clientScopes?: readonly ClientScopeFile[]
  readonly defaultDefaultClientScopes?: readonly string[]
  readonly defaultOptionalClientScopes?: readonly string[]
  readonly scopeMappings?: readonly ScopeMappingFile[]
  readonly clientScopeMappings?: Readonly<Record<string, readonly ScopeMappingFile[]>>
  readonly requiredActions?: readonly {
    readonly alias: string
    readonly enabled: boolean
    readonly defaultAction: boolean
  }[]
  readonly roles?: {
    readonly realm?: readonly RoleFile[]
    readonly client?: Readonly<Record<string, readonly RoleFile[]>>
  }
  readonly defaultRole?: { readonly name: string }
  readonly authenticationFlows?: readonly FlowFile[]
  readonly components?: Readonly<Record<string, readonly ComponentFile[]>>
}

export interface ScopeMappingFile {
  readonly client?: string
  readonly clientScope?: string
  readonly roles: readonly string[]
}

interface FlowFile {
  readonly alias: string
  readonly authenticationExecutions?: readonly {
    readonly authenticator?: string
    readonly flowAlias?: string
    readonly requirement: string
  }[]
}

interface ComponentFile {
  readonly providerId?: string
  readonly config?: Readonly<Record<string, readonly string[]>>
}

/**
 * Reads a realm file.
 *
 * @throws {GateError} `config_invalid` naming all that would change an answer of this server and that it does not know
 */
export function readRealmFile(file: RealmFile): KnownRealmFile {
  const problems: string[] = []

  function check(at: string, value: unknown, members: Members): void {
    if (typeof value !== "object" || value === null) return void problems.push(`\`${at}\`: expected an object`)
    for (const [name, member] of Object.entries(value)) {
      const rule = members[name]
      if (rule === undefined) problems.push(`\`${at}.${name}\` is not known to the test realm`)
      else if (member !== null && !rule.holds(member)) problems.push(`\`${at}.${name}\`: expected ${rule.expected}`)
    }
  }

  check("realm", file, realmMembers)
  if (typeof file.realm !== "string" || file.realm === "") problems.push("`realm.realm`: expected the realm's name")
  refuse(problems) // what the rest reads has the right kinds now
  const known = withoutNulls(file) as unknown as KnownRealmFile

  check("realm.attributes", file.attributes ?? {}, realmAttributes)
  for (const client of known.clients ?? []) {
    check(`client ${client.clientId}`, client, clientMembers)
    check(`client ${client.clientId}.attributes`, client.attributes ?? {}, clientAttributes)
  }
  for (const user of known.users ?? []) check(`user ${user.username}`, user, userMembers)
  const checkGroup = (group: GroupFile): void => {
    check(`group ${group.name}`, group, groupMembers)
    group.subGroups?.forEach(checkGroup)
  }
  known.groups?.forEach(checkGroup)
  const changed = known.authenticationFlows?.find(flow => !isFlowAsBuiltIn(flow))
  if (changed !== undefined)
    problems.push(
      `the flow "${changed.alias}" was changed, and the test realm logs people in as Keycloak does by default`,
    )
  for (const kind of Object.keys(known.components ?? {})) {
    if (!knownComponents.has(kind)) problems.push(`\`realm.components.${kind}\` is not known to the test realm`)
  }
  refuse(problems)
  return known
}

/** The refusal of a realm file, or of an option beside it. */
export function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return
  throw new GateError("config_invalid", `startTestRealm can't stand in for this realm.\n${problems.join(".\n")}.`)
}

// The console of Keycloak writes null for what nobody has set.
function withoutNulls(file: RealmFile): object {
  return JSON.parse(JSON.stringify(file, (_name, value) => value ?? undefined))
}

const knownComponents: ReadonlySet<string> = new Set([
  "org.keycloak.userprofile.UserProfileProvider",
  "org.keycloak.keys.KeyProvider",
  "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy",
])

/** The two flows that a password grant runs through. */
const builtInFlows: Readonly<Record<string, string>> = {
  "direct grant":
    "direct-grant-validate-username REQUIRED, direct-grant-validate-password REQUIRED, Direct Grant - Conditional OTP CONDITIONAL",
  "Direct Grant - Conditional OTP": "conditional-user-configured REQUIRED, direct-grant-validate-otp REQUIRED",
}

function isFlowAsBuiltIn({ alias, authenticationExecutions = [] }: FlowFile): boolean {
  const builtIn = builtInFlows[alias]
  if (builtIn === undefined) return true
  const steps = authenticationExecutions
    .filter(({ authenticator }) => authenticator !== "conditional-credential")
    .map(({ authenticator, flowAlias, requirement }) => `${authenticator ?? flowAlias} ${requirement}`)
  return steps.join(", ") === builtIn
}
