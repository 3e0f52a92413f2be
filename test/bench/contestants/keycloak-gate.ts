import { createGate } from "keycloak-gate"
import type { TokenSet } from "../token-set.ts"
import type { Contestant } from "./contestant.ts"

/** Every token is verified anew. */
export function withoutCache(tokens: TokenSet): Contestant {
  return withGate(tokens, false)
}

/** As it comes, but with room for all tokens of the measurement. */
export function withCache(tokens: TokenSet): Contestant {
  return withGate(tokens, { maxTokens: tokens.count })
}

function withGate(tokens: TokenSet, verifiedTokenCache: false | { maxTokens: number }): Contestant {
  const { serverUrl, realm, audience } = tokens
  // The default warns of every refusal, and the refusals here are meant.
  const onEvent = () => {}
  const gate = createGate({ serverUrl, realm, clientId: audience, verifiedTokenCache, onEvent })
  return { verify: authorization => gate.verifyBearer(authorization) }
}
