import { randomUUID } from "node:crypto"
import type { RealmFile } from "./import/realm-file.js"

export interface DefaultRealm {
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string | undefined
}

/** One client that logs people in, verifies their tokens and registers them: what the README tells to set up. */
export function defaultRealm({ realm, clientId, clientSecret = randomUUID() }: DefaultRealm): RealmFile {
  const audience = {
    "included.client.audience": clientId,
    "access.token.claim": "true",
    "introspection.token.claim": "true",
    "id.token.claim": "false",
  }
  return {
    realm,
    enabled: true,
    passwordPolicy: "length(8)",
    bruteForceProtected: true,
    roles: { client: { [clientId]: [{ name: "editor" }] } },
    groups: [{ name: "editors", path: "/editors", clientRoles: { [clientId]: ["editor"] } }],
    clients: [
      {
        clientId,
        enabled: true,
        publicClient: false,
        secret: clientSecret,
        standardFlowEnabled: false,
        directAccessGrantsEnabled: true,
        serviceAccountsEnabled: true,
        protocolMappers: [
          { name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper", config: audience },
        ],
      },
    ],
    users: [
      {
        username: `service-account-${clientId}`,
        enabled: true,
        serviceAccountClientId: clientId,
        clientRoles: { "realm-management": ["manage-users"] },
      },
    ],
  }
}
