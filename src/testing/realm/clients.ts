import type { Role } from "./roles.js"

/** A rule that puts a claim into tokens. */
export interface ProtocolMapper {
  readonly type: string
  readonly config: Readonly<Record<string, string>>
}

/** A named set of mappers that clients share. */
export interface ClientScope {
  readonly name: string
  readonly isInTokenScope: boolean
  readonly isInDiscovery: boolean
  readonly mappers: readonly ProtocolMapper[]
  /** With roles here, the scope is only for people who have one of them. */
  readonly roles: Set<Role>
}

export interface Client {
  readonly id: string
  readonly clientId: string
  /** Only one of OpenID Connect can ask for tokens here. */
  readonly protocol: string
  /** How it proves itself; with a secret alone this server can check it. */
  readonly authenticator: string
  readonly secret: string | null
  readonly isEnabled: boolean
  readonly isPublic: boolean
  readonly isBearerOnly: boolean
  readonly hasDirectAccessGrants: boolean
  readonly hasServiceAccount: boolean
  readonly hasFullScope: boolean
  readonly needsConsent: boolean
  readonly rootUrl: string
  readonly redirectUris: readonly string[]
  readonly webOrigins: readonly string[]
  readonly notBefore: number
  readonly attributes: Readonly<Record<string, string>>
  readonly mappers: readonly ProtocolMapper[]
  readonly defaultScopes: readonly ClientScope[]
  readonly optionalScopes: readonly ClientScope[]
  /** Roles that may be in its tokens although it has no full scope. */
  readonly scopeRoles: Set<Role>
}
