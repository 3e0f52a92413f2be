declare global {
  namespace KeycloakGate {
    /**
     * Declare `user` here, once per application, and `principal.user` has your row's type in every handler.
     *
     * A gate of another row type then fails to compile where it is mounted.
     *
     * @example
     * declare global {
     *   namespace KeycloakGate {
     *     interface Register { user: Row }
     *   }
     * }
     */
    interface Register {}
  }
}

/** The application's row type, as declared in `KeycloakGate.Register`; unknown until it is. */
export type RegisteredUser = KeycloakGate.Register extends { user: infer User } ? User : unknown
