/** What went wrong, by whose fault it is; docs/errors.md says when. */
export type GateErrorCode =
  | "config_invalid"
  | "closed"
  | "store_unavailable"
  | "credentials_missing"
  | "invalid_request"
  | "invalid_token"
  | "insufficient_scope"
  | "invalid_credentials"
  | "account_disabled"
  | "account_setup_required"
  | "session_ended"
  | "user_exists"
  | "account_rejected"
  | "keycloak_unavailable"
  | "keycloak_refused_us"

/** What a caller gets for a code. */
export interface CodeAnswer {
  readonly status: number
  /**
   * A constant sentence: nothing of a token or of a request may reach an answer. RFC 6750 §3 allows
   * %x20-21 / %x23-5B / %x5D-7E only, so there are no quotes in it.
   */
  readonly says: string
  /**
   * The challenge where a bearer token was read: `"realm"` names only the realm, as RFC 6750 §3.1 asks where no
   * credentials were presented, `"error"` the code too. null: none.
   */
  readonly challenge: "realm" | "error" | null
}

/** The one table of codes. */
export const codeAnswers: Readonly<Record<GateErrorCode, CodeAnswer>> = {
  config_invalid: { status: 500, says: "The application has set up its authentication wrongly.", challenge: null },
  closed: { status: 503, says: "The application is shutting down.", challenge: null },
  store_unavailable: {
    status: 503,
    says: "The application's own data cannot be reached; try again later.",
    challenge: null,
  },
  credentials_missing: { status: 401, says: "This resource needs an access token.", challenge: "realm" },
  invalid_request: { status: 400, says: "The request is malformed.", challenge: "error" },
  invalid_token: { status: 401, says: "The access token is not valid here.", challenge: "error" },
  insufficient_scope: { status: 403, says: "The access token is valid but does not allow this.", challenge: "error" },
  invalid_credentials: { status: 401, says: "The credentials are not valid.", challenge: null },
  account_disabled: { status: 403, says: "The account is disabled.", challenge: null },
  account_setup_required: {
    status: 403,
    says: "The account needs to be completed before it can log in.",
    challenge: null,
  },
  session_ended: { status: 401, says: "The session has ended; log in again.", challenge: null },
  user_exists: { status: 409, says: "An account with this username or e-mail exists already.", challenge: null },
  account_rejected: { status: 422, says: "The account or its password does not meet the rules.", challenge: null },
  keycloak_unavailable: { status: 503, says: "The login service cannot be reached; try again later.", challenge: null },
  keycloak_refused_us: { status: 500, says: "The login service does not accept this application.", challenge: null },
}
