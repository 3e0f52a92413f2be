import { createGate, type Gate, type GateOptions } from "keycloak-gate"
import type { TokenSet } from "../token-set.ts"

/** A gate as it comes, without a user table. */
export function gateFor(
  { serverUrl, realm, audience }: TokenSet,
  options: Pick<GateOptions<never>, "verifiedTokenCache"> = {},
): Gate<never> {
  // The default warns of refusals, and those that are provoked here are meant.
  const gate = createGate({ serverUrl, realm, clientId: audience, onEvent: () => {}, ...options })
  // Whatever row type is registered in this program: there are no rows here.
  return gate as Gate<unknown> as Gate<never>
}
