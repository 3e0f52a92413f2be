import { type Answer, type Call, json, serverError } from "../answer.js"

/** How a member of a representation is read; what it can't be made from is refused like broken JSON. */
export type Kind = "text" | "flag" | "number" | "list" | "map" | "any"

export type Parsed = Readonly<Record<string, unknown>>

const cannotParse = "Cannot parse the JSON"

/** The object in a body, with each member read as Keycloak reads it, or Keycloak's refusal. */
export function parseObject(
  call: Call,
  name: string,
  kinds: Readonly<Record<string, Kind>>,
): { value: Parsed } | { refusal: Answer } {
  const { body, refusal } = parseBody(call)
  if (refusal !== null) return { refusal }
  if (body === null) return { refusal: serverError() }
  if (typeof body !== "object" || Array.isArray(body)) return { refusal: wrongKind() }
  const value: Record<string, unknown> = {}
  for (const [member, given] of Object.entries(body)) {
    const kind = kinds[member]
    if (kind === undefined) return { refusal: unknownMember(call.body, name, member) }
    const read = given === null ? null : readers[kind](given)
    if (read === undefined) return { refusal: wrongKind() }
    value[member] = read
  }
  return { value }
}

/** The list in a body, or Keycloak's refusal. */
export function parseList(call: Call): { value: readonly unknown[] } | { refusal: Answer } {
  const { body, refusal } = parseBody(call)
  if (refusal !== null) return { refusal }
  return Array.isArray(body) ? { value: body } : { refusal: wrongKind() }
}

function parseBody({ headers, body }: Call): { body: unknown; refusal: Answer | null } {
  if (!/^application\/json\b/i.test(headers["content-type"] ?? "")) {
    const error = "The content-type header value did not match the value in @Consumes"
    return { body: null, refusal: json(415, { error }) }
  }
  if (body === "") return { body: null, refusal: null }
  try {
    return { body: JSON.parse(body), refusal: null }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { body: null, refusal: json(400, { error: "invalid_request", error_description: cannotParse }) }
  }
}

function wrongKind(): Answer {
  return json(400, { error: "unknown_error", error_description: cannotParse })
}

const readers: Readonly<Record<Kind, (given: unknown) => unknown>> = {
  text: given => (typeof given === "object" ? undefined : String(given)),
  flag(given) {
    if (typeof given === "boolean") return given
    return given === "true" ? true : given === "false" ? false : undefined
  },
  number: given => (Number.isFinite(Number(given)) && typeof given !== "object" ? Number(given) : undefined),
  list: given => (Array.isArray(given) ? given : undefined),
  // Anything that is no object counts as an empty one here.
  map: given => (typeof given === "object" && !Array.isArray(given) ? given : {}),
  any: given => given,
}

function unknownMember(text: string, name: string, member: string): Answer {
  const key = JSON.stringify(member)
  const afterKey = text.indexOf(key) + key.length
  const value = afterKey + (/^\s*:\s*/.exec(text.slice(afterKey))?.[0].length ?? 0)
  // Keycloak's reader stands behind a number or a word, and behind the first sign of anything else.
  const end = value + (/^[\w.+-]+/.exec(text.slice(value))?.[0].length ?? 1)
  const lines = text.slice(0, end).split("\n")
  const at = `line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1}`
  const error = `Invalid json representation for ${name}. Unrecognized field "${member}" at ${at}.`
  return json(400, { error })
}
