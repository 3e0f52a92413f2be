/** A realm as Keycloak exports and imports it; `examples/realm.json` is one. */
export interface RealmFile {
  readonly realm: string
  readonly [member: string]: unknown
}

export interface MapperFile {
  readonly name?: string
  readonly protocol?: string
  readonly protocolMapper?: string
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
  readonly directAccessGrantsEnabled?: boolean
  readonly serviceAccountsEnabled?: boolean
  readonly fullScopeAllowed?: boolean
  readonly consentRequired?: boolean
  readonly notBefore?: number
  readonly redirectUris?: readonly string[]
  readonly webOrigins?: readonly string[]
  readonly attributes?: Readonly<Record<string, string>>
  readonly protocol?: string
  readonly clientAuthenticatorType?: string
  readonly rootUrl?: string
  readonly directGrantsOnly?: boolean
  readonly authorizationServicesEnabled?: boolean
  readonly authenticationFlowBindingOverrides?: Readonly<Record<string, string>>
  readonly defaultRoles?: readonly string[]
  readonly protocolMappers?: readonly MapperFile[]
  readonly defaultClientScopes?: readonly string[]
  readonly optionalClientScopes?: readonly string[]
}

export interface RoleFile {
  readonly name: string
  readonly description?: string
  readonly attributes?: Readonly<Record<string, readonly string[]>>
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
  readonly secretData?: string
  readonly credentialData?: string
  readonly hashedSaltedValue?: string
  readonly salt?: string
  readonly hashIterations?: number
  readonly algorithm?: string
  readonly digits?: number
  readonly period?: number
  readonly counter?: number
}

export interface UserFile {
  readonly id?: string
  readonly username?: string
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
  readonly internationalizationEnabled?: boolean
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
  readonly otpPolicyLookAheadWindow?: number
  readonly eventsEnabled?: boolean
  readonly adminEventsEnabled?: boolean
  readonly keycloakVersion?: string
  readonly directGrantFlow?: string
  readonly clientAuthenticationFlow?: string
  readonly attributes?: Readonly<Record<string, string>>
  readonly defaultRoles?: readonly string[]
  readonly accessTokenLifespan?: number
  readonly ssoSessionIdleTimeout?: number
  readonly ssoSessionMaxLifespan?: number
  readonly clientSessionIdleTimeout?: number
  readonly clientSessionMaxLifespan?: number
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
  readonly requiredActions?: readonly RequiredActionFile[]
  readonly roles?: {
    readonly realm?: readonly RoleFile[]
    readonly client?: Readonly<Record<string, readonly RoleFile[]>>
  }
  readonly defaultRole?: { readonly name: string; readonly description?: string }
  readonly authenticationFlows?: readonly FlowFile[]
  readonly components?: Readonly<Record<string, readonly ComponentFile[]>>
}

export interface ScopeMappingFile {
  readonly client?: string
  readonly clientScope?: string
  readonly roles: readonly string[]
}

export interface RequiredActionFile {
  readonly alias: string
  readonly name?: string
  readonly providerId?: string
  readonly enabled?: boolean
  readonly defaultAction?: boolean
  readonly priority?: number
  readonly config?: Readonly<Record<string, string>>
}

export interface FlowFile {
  readonly id?: string
  readonly alias: string
  readonly authenticationExecutions?: readonly {
    readonly authenticator?: string
    readonly flowAlias?: string
    readonly requirement?: string
    readonly priority?: number
  }[]
}

export interface ComponentFile {
  readonly name?: string
  readonly providerId?: string
  readonly config?: Readonly<Record<string, readonly string[]>>
}
