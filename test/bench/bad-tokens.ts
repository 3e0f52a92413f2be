import type { TokenSet } from "./token-set.ts"

/** Tokens whose signature does not match, by what is wrong with them. */
export function tampered(tokens: TokenSet): Readonly<Record<string, string>> {
  const good = tokens.authorization(0)
  const lastDot = good.lastIndexOf(".")
  return {
    "whose payload was changed": changed(good, lastDot - 40),
    "whose signature was changed": changed(good, lastDot + 40),
  }
}

function changed(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1)
}
