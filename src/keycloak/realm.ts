/** The addresses of one realm: the issuer is public, all others are where this process reaches Keycloak. */
export interface Realm {
  readonly name: string
  readonly issuer: string
  /** Base URL for this process, without `/realms/…`. */
  readonly baseUrl: string
  readonly discoveryUrl: string
  readonly certsUrl: string
  readonly tokenUrl: string
  readonly userinfoUrl: string
  readonly introspectionUrl: string
  readonly logoutUrl: string
}

/** Keycloak's paths are fixed, so no document of the network steers where requests go. */
export function createRealm(options: { serverUrl: string; internalUrl: string; realm: string }): Realm {
  const path = `/realms/${encodeURIComponent(options.realm)}`
  const internal = `${options.internalUrl}${path}`
  const protocol = `${internal}/protocol/openid-connect`
  return {
    name: options.realm,
    issuer: `${options.serverUrl}${path}`,
    baseUrl: options.internalUrl,
    discoveryUrl: `${internal}/.well-known/openid-configuration`,
    certsUrl: `${protocol}/certs`,
    tokenUrl: `${protocol}/token`,
    userinfoUrl: `${protocol}/userinfo`,
    introspectionUrl: `${protocol}/token/introspect`,
    logoutUrl: `${protocol}/logout`,
  }
}
