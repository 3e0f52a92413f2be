import type {} from "../register.js"

/** The application's row type, as declared in `KeycloakGate.Register`; unknown until it is. */
export type RegisteredUser = KeycloakGate.Register extends { user: infer User } ? User : unknown
