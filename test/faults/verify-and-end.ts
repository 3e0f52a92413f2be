/** A program that verifies one token and never closes its gate; it has to end by itself. */
import { createGate } from "keycloak-gate"

const [serverUrl = "", realm = "", clientId = "", verification = ""] = process.argv.slice(2)
const { CLIENT_SECRET: clientSecret = "", TOKEN: token = "" } = process.env
const gate = createGate({
  serverUrl,
  realm,
  clientId,
  clientSecret,
  verification: JSON.parse(verification),
  keySet: { maxAgeSeconds: 0.001 },
  onEvent: () => undefined,
})
const principal = await gate.verifyBearer(`Bearer ${token}`, {})
await gate.verifyBearer(`Bearer ${token}`, {})
console.log(principal.username)
