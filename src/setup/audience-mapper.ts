/** Whether a mapper of Keycloak's names an audience in access tokens. */
export function namesAudience(kind: unknown, config: Readonly<Record<string, unknown>>, audience: string): boolean {
  return (
    kind === "oidc-audience-mapper" &&
    config["access.token.claim"] === "true" &&
    // Keycloak looks at the second where the first is empty.
    (config["included.client.audience"] || config["included.custom.audience"]) === audience
  )
}
