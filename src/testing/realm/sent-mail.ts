/** A mail that Keycloak would have sent; there is no link in it, since the test realm has no pages. */
export interface SentMail {
  readonly to: string
  readonly subject: string
  readonly actions: readonly string[]
}
