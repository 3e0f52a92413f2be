import type { RequestListener } from "node:http"
import KeycloakConnect from "keycloak-connect"
import type { Contestant } from "../contestants/contestant.ts"
import { expressWith } from "../guards/express.ts"
import type { TokenSet } from "../token-set.ts"

// It prints a line for each key id that it does not look up.
console.error = () => {}

export function bare(tokens: TokenSet): Contestant {
  const { grantManager } = connect(tokens)
  return {
    verify: authorization => grantManager.createGrant({ access_token: authorization.slice("Bearer ".length) } as never),
  }
}

export function onExpress(tokens: TokenSet): RequestListener {
  const keycloak = connect(tokens)
  return expressWith(...(keycloak.middleware() as never as []), keycloak.protect())
}

function connect({ serverUrl, realm, audience }: TokenSet) {
  const configuration = {
    realm,
    resource: audience,
    "auth-server-url": serverUrl,
    "bearer-only": true,
    "verify-token-audience": true,
    "ssl-required": "none",
    "confidential-port": 0,
  }
  return new KeycloakConnect({}, configuration)
}
