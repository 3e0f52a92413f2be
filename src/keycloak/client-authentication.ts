import { GateError } from "../errors.js"
import type { KeycloakClient } from "./client-faults.js"

/** A form request of this client, as Keycloak's endpoints beside the token endpoint take it (RFC 6749 §2.3.1). */
export function clientForm(client: KeycloakClient, parameters: Readonly<Record<string, string>>): RequestInit {
  const form = new URLSearchParams(parameters)
  const headers: Record<string, string> = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  }
  if (client.clientSecret === null) form.set("client_id", client.clientId)
  else headers.authorization = `Basic ${btoa(`${formEncoded(client.clientId)}:${formEncoded(client.clientSecret)}`)}`
  return { method: "POST", headers, body: form.toString() }
}

/** What can't work for a public client says so when it is used. */
export function secretNeeded(what: string): GateError {
  return new GateError("config_invalid", `${what} needs \`clientSecret\`: a public client can't prove who it is.`)
}

function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1)
}
