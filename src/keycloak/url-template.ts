// Whatever else stands in a path of Keycloak's is a name or an id.
const words = (
  "admin realms protocol openid-connect token introspect certs userinfo logout revoke .well-known " +
  "openid-configuration users profile count group-by-path groups clients roles role-mappings realm " +
  "available composite sessions offline-sessions reset-password credentials execute-actions-email " +
  "send-verify-email consents federated-identity events admin-events client-scopes components keys " +
  "serverinfo whoami protocol-mappers models default-client-scopes default-groups " +
  "default-default-client-scopes optional-client-scopes client-secret service-account-user scope-mappers " +
  "scope-mappings required-actions authentication authorization flows executions user-sessions " +
  "offline-session-count session-count push-revocation logout-all metadata moveAfter userLabel members " +
  "role-groups management permissions organizations"
).split(" ")

/**
 * The path of an address of Keycloak's, with `{realm}` and `{id}` for what differs: it has few values, and no name or id of
 * anybody in it. What stands before `/realms` is the server's own path.
 */
export function urlTemplate(url: string): string {
  const { pathname } = new URL(url)
  const segments = pathname.split("/")
  const realms = segments.indexOf("realms")
  if (realms < 0) return segments.map(one => (words.includes(one) || one === "" ? one : "{id}")).join("/")
  return segments
    .map((one, at) => {
      if (at < realms) return one
      if (at === realms + 1) return "{realm}"
      return words.includes(one) ? one : "{id}"
    })
    .join("/")
}
