/** Where a `${env.NAME}` is looked up. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A text with its variables replaced, or what is wrong with it, in words that follow its name. */
export type Replaced = { readonly text: string } | { readonly problem: string }

const opening = "${env."

/**
 * Replaces each `${env.NAME}` and `${env.NAME:default}`, also within a text and within a default. An empty variable counts
 * as one that is not set, as keycloak-connect has it.
 */
export function withVariables(text: string, env: Environment): Replaced {
  const unset: string[] = []
  let isOpen = false

  function replace(rest: string): string {
    const start = rest.indexOf(opening)
    if (start === -1) return rest
    const end = closing(rest, start + opening.length)
    if (end === -1) {
      isOpen = true
      return ""
    }
    return rest.slice(0, start) + found(rest.slice(start + opening.length, end)) + replace(rest.slice(end + 1))
  }
  function found(reference: string): string {
    const [, name = "", byDefault] = /^([^:]*)(?::(.*))?$/s.exec(reference) ?? []
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (value !== undefined && value !== "") return value
    if (byDefault !== undefined) return replace(byDefault)
    unset.push(name)
    return ""
  }

  const replaced = replace(text)
  if (isOpen) return { problem: `a "${opening}" in it has no "}"` }
  if (unset.length > 0) return { problem: `not set in the environment: ${unset.join(", ")}` }
  return { text: replaced }
}

/** Where the brace that was opened before `from` is closed; -1 for nowhere. */
function closing(text: string, from: number): number {
  let depth = 1
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("${", at)) depth++
    if (text[at] === "}" && --depth === 0) return at
  }
  return -1
}
