import { printable } from "../foreign-text.js"

// Letters, and at most two digits behind them; a status stands alone.
const word = /^["'`(]*(\p{L}[\p{L}_:.'-]{0,39}\d{0,2}|\d{1,3})["'`),.:;!?]*$/u
// As Keycloak calls attributes and rules; not the beginning of a token.
const name = /^(?!eyJ)[\p{L}_][\p{L}\d_.:-]{0,63}$/u
const longest = 200

/**
 * Words that somebody else said, for a message of ours: what may be a token, an e-mail address or a password becomes `…`,
 * and so does `secret`.
 *
 * Whatever answers in Keycloak's place may answer with what it was sent.
 */
export function quoted(text: string, secret: string | null = null): string {
  const rest = secret ? text.replaceAll(secret, "…") : text
  const words = printable(rest, longest).split(/\s+/)
  return words.map(one => (word.test(one) ? one : "…")).join(" ")
}

/** The name of a field or a rule as somebody else said it, and what is no name as words. */
export function quotedName(text: string): string {
  return name.test(text) ? text : quoted(text)
}
