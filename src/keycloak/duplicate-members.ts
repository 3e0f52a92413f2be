// In valid JSON a string that a colon follows is a member's name; nothing else in it needs to be understood.
const token = /"([^"\\]*(?:\\.[^"\\]*)*)"([ \t\r\n]*:)?|[{}]/g

/**
 * Whether an object in this text, which JSON.parse has accepted, names a member twice. Parsers differ in which of the
 * two they take, so that what one checks may not be what another one uses.
 *
 * @see RFC 7515 §4, RFC 8725 §2.4
 */
export function hasDuplicateMembers(json: string): boolean {
  const open: Set<string>[] = []
  for (const [text, name, colon] of json.matchAll(token)) {
    if (text === "{") open.push(new Set())
    else if (text === "}") open.pop()
    else if (colon !== undefined) {
      const names = open.at(-1)
      // `"\u0061lg"` is another spelling of `"alg"`.
      const plain: string = JSON.parse(`"${name}"`)
      if (names?.has(plain)) return true
      names?.add(plain)
    }
  }
  return false
}
