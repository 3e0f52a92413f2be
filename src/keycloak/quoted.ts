// Letters, and at most two digits behind them; a status stands alone.
const word = /^["'`(]*([A-Za-z][A-Za-z_:.'-]{0,39}\d{0,2}|\d{1,3})["'`),.:;!?]*$/
const longest = 200

/**
 * Words that somebody else said, for a message of ours: what may be a token, an e-mail address or a password becomes `…`,
 * and so does `secret`.
 *
 * Whatever answers in Keycloak's place may answer with what it was sent.
 */
export function quoted(text: string, secret: string | null = null): string {
  const rest = secret ? text.replaceAll(secret, "…") : text
  const words = rest.slice(0, longest).split(/\s+/)
  return words.map(one => (word.test(one) ? one : "…")).join(" ")
}
