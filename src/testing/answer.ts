/** What the test realm answers to one request. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One request, as the endpoints see it. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** Scheme and host that the caller used: the issuer follows it, as in Keycloak without a fixed hostname. */
  readonly origin: string
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) }
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: "" }
}

/** An error of the OpenID Connect endpoints. */
export function oauthError(status: number, error: string, description: string): Answer {
  return json(status, { error, error_description: description })
}

/** Where Keycloak falls over what it was sent. */
export function serverError(): Answer {
  return oauthError(500, "unknown_error", "For more on this error consult the server log.")
}

/** Whatever this server does not know is said, never guessed. */
export class NotKnown extends Error {}

export function notKnown(sentence: string): Answer {
  return json(501, { error: "not_implemented", error_description: `The test realm of keycloak-gate ${sentence}` })
}
