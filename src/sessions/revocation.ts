/**
 * What is refused from now on, whatever its signature says. Seconds are by Keycloak's clock, ids are Keycloak's.
 *
 * - a session whole, also what is issued for it later: while Keycloak delivers a logout it still issues tokens (26.7.4)
 * - the part that one client has in a session
 * - one access token, by its `jti`
 * - all that a subject, or anybody, got until a moment
 */
export type Revocation =
  | { readonly kind: "session"; readonly issuer: string; readonly session: string }
  | { readonly kind: "client"; readonly issuer: string; readonly session: string; readonly client: string }
  | { readonly kind: "token"; readonly issuer: string; readonly tokenId: string }
  | ({ readonly kind: "subject"; readonly issuer: string; readonly subject: string } & IssuedUntil)
  | ({ readonly kind: "issuer"; readonly issuer: string } & IssuedUntil)

/** Tokens count in whole seconds, so those of the last ones are in doubt: a new login can be among them. */
export interface IssuedUntil {
  /** Tokens with an earlier `iat` are refused. */
  readonly before: number
  /** Keycloak is asked about those from then until this `iat`, included; less than `before`: about none. */
  readonly doubtUntil: number
}

/** A revocation, and until when it is kept: seconds since 1970, when the last token that it refuses must have expired. */
export interface KeptRevocation {
  readonly revocation: Revocation
  readonly until: number
}

/** What of a token's claims is looked at. */
export interface RevocableClaims {
  readonly sub: string
  readonly exp: number
  readonly [name: string]: unknown
}

/** Whether a revocation is about this token at all. */
export function concerns(revocation: Revocation, { sub, sid, azp, jti }: RevocableClaims): boolean {
  switch (revocation.kind) {
    case "session":
      return revocation.session === sid
    case "client":
      return revocation.session === sid && revocation.client === azp
    case "token":
      return revocation.tokenId === jti
    case "subject":
      return revocation.subject === sub
    case "issuer":
      return true
  }
}
