import type { RegistrationSettings } from "../accounts/registration-defaults.js"
import type { KeycloakClient } from "../keycloak/client-faults.js"
import type { AdministratorsView } from "./administrators-view.js"
import type { Reply } from "./ask.js"
import type { Probe } from "./probe.js"
import { numberOf, tokenOf } from "./token-answer.js"

/** What this application was given, as far as Keycloak has to fit it. */
export interface Expected {
  readonly serverUrl: string
  /** Where this process reaches Keycloak. */
  readonly baseUrl: string
  readonly issuer: string
  readonly realm: string
  readonly timeoutMs: number
  readonly audience: string | null
  readonly mode: "local" | "introspection" | "userinfo"
  readonly algorithms: readonly string[]
  readonly clockToleranceSeconds: number
  readonly maxTokenBytes: number
  /** How long what is revoked is remembered. */
  readonly longestTokenSeconds: number
  readonly registration: RegistrationSettings
  /** Attributes that the application sends with each registration. */
  readonly sentAttributes: readonly string[]
}

/** What the walk has seen; a member that is absent was not asked for. */
export interface Seen {
  readonly expected: Expected
  /** Whose requests they were. */
  readonly client: KeycloakClient
  readonly discovery?: Reply
  /** The same question over TLS, where plain http was cut. */
  readonly overTls?: Reply
  readonly keys?: Reply
  /** A client credentials grant. */
  readonly grant?: Reply
  /** The same with the secret in the form, where Keycloak does not know the client. */
  readonly grantByForm?: Reply
  /** By how many seconds this machine's clock is ahead of Keycloak's, at least and at most. */
  readonly clockAhead?: { readonly least: number; readonly most: number }
  /** A login with an empty name and an empty password. */
  readonly emptyLogin?: Reply
  /** Of the token of `grant`. */
  readonly introspection?: Reply
  /** An account without a name, which nobody can create. */
  readonly emptyAccount?: Reply
  readonly realmSettings?: Reply
  readonly userProfile?: Reply
  /** By path. */
  readonly groups?: Readonly<Record<string, Reply>>
  /** Names of those that the service account may give. */
  readonly realmRoles?: readonly string[]
  readonly probe?: Probe
  readonly administrator?: AdministratorsView
}

/** Whether an answer has the form of Keycloak's: JSON, and a word of its own where it refuses. */
export function isKeycloaks({ status, json, kind }: Reply): boolean {
  return status >= 400 ? kind !== "foreign" : typeof json === "object" && json !== null
}

/** Whether Keycloak issues tokens that it takes for revoked: the realm's "not before" lies ahead. */
export function isRevokedAhead({ grant }: Seen): boolean {
  const issuedAt = tokenOf(grant)?.payload.iat
  return typeof issuedAt === "number" && (numberOf(grant, "not-before-policy") ?? 0) > issuedAt
}
