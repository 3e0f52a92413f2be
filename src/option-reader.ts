import { type FieldProblem, GateError } from "./errors.js"
import { inQuotes, printable } from "./foreign-text.js"
import { nearestName, spelling } from "./nearest-name.js"

/** Reads one object of options and notes every problem in it, instead of stopping at the first. */
export interface OptionReader {
  readonly has: (name: string) => boolean
  readonly value: (name: string) => unknown
  /** Notes what is wrong with an option. */
  readonly note: (name: string, message: string) => null
  /** The option if it is right, else the default; where it was given and is wrong, that is noted. */
  readonly one: <Value>(name: string, byDefault: Value, expected: string, isRight: (found: unknown) => boolean) => Value
  readonly boolean: (name: string, byDefault: boolean) => boolean
  readonly number: (name: string, byDefault: number, least: number, most: number) => number
  readonly texts: (name: string) => readonly string[]
  readonly function: (name: string) => unknown
  /** The options of a group; what is missing in one that was not given is no problem. */
  readonly object: (name: string) => OptionReader
}

interface Problem {
  readonly option: string
  readonly message: string
}

/**
 * Everything that `read` takes from the options of a call; what it has not asked for is unknown. `adviceOn` knows what is
 * meant by names that no spelling of a known one explains.
 *
 * @throws {GateError} `config_invalid`, with a `fields` entry for each wrong option
 */
export function readOptions<Settings>(
  caller: string,
  options: unknown,
  read: (given: OptionReader) => Settings,
  needed = "",
  adviceOn: (name: string) => string | null = () => null,
): Settings {
  const problems: Problem[] = []
  const groups: (() => void)[] = []
  if (options === undefined && needed !== "")
    problems.push({ option: "options", message: `expected an object with ${needed}, got undefined` })
  const settings = read(reader(options, "", problems, groups, adviceOn))
  for (const refuseUnknown of groups) refuseUnknown()
  if (problems.length === 0) return settings
  const lines = problems.map(({ option, message }) => `\`${option}\`: ${message}${message.endsWith("?") ? "" : "."}`)
  const fields: FieldProblem[] = problems.map(({ option }) => ({ field: option, rule: "option", params: [] }))
  throw new GateError("config_invalid", `${caller} got wrong options.\n${lines.join("\n")}`, { fields })
}

function reader(
  object: unknown,
  path: string,
  into: Problem[],
  groups: (() => void)[],
  adviceOn: (name: string) => string | null = () => null,
): OptionReader {
  const isObject = typeof object === "object" && object !== null && !Array.isArray(object)
  const given = (isObject ? object : {}) as Record<string, unknown>
  const asked = new Set<string>()
  let problems = into
  if (!isObject && object !== undefined) {
    // Not the text itself: who writes one may write a secret.
    note("", `expected an object, got ${kindOf(object)}`)
    problems = [] // its members are missing for this reason alone
  }

  function note(name: string, message: string): null {
    problems.push({ option: [path, printable(name)].filter(Boolean).join(".") || "options", message })
    return null
  }
  function value(name: string): unknown {
    asked.add(name)
    return given[name]
  }
  const one: OptionReader["one"] = (name, byDefault, expected, isRight) => {
    const found = value(name)
    // Only undefined means "not given": null is a mistake.
    if (found === undefined) return byDefault
    if (isRight(found)) return found as typeof byDefault
    note(name, `expected ${expected}, got ${shown(found)}`)
    return byDefault
  }

  groups.push(() => {
    for (const name of Object.keys(given)) {
      if (asked.has(name)) continue
      note(name, `there is no such option; ${hintOn(name)}`)
    }
  })

  function hintOn(name: string): string {
    const known = [...asked]
    const same = known.find(one => spelling(one) === spelling(name))
    const advice = same === undefined ? adviceOn(name) : null
    const alike = same ?? nearestName(name, known)
    return advice ?? (alike === null ? `known are ${known.join(", ")}` : `did you mean \`${alike}\`?`)
  }

  return {
    has: name => value(name) !== undefined,
    value,
    note,
    one,
    boolean: (name, byDefault) => one(name, byDefault, "true or false", found => typeof found === "boolean"),
    number: (name, byDefault, least, most) =>
      one(
        name,
        byDefault,
        `a number from ${least} to ${most}`,
        found => typeof found === "number" && found >= least && found <= most,
      ),
    texts: name =>
      Object.freeze([
        ...one<readonly string[]>(
          name,
          [],
          "a list of non-empty strings",
          found => Array.isArray(found) && found.every(text => typeof text === "string" && text !== ""),
        ),
      ]),
    function: name => one(name, null, "a function", found => typeof found === "function"),
    object: name =>
      reader(
        value(name),
        [path, name].filter(Boolean).join("."),
        path === "" && given[name] === undefined ? [] : problems,
        groups,
      ),
  }
}

/** A value for a message: short, and nothing of what an object or a list holds. */
export function shown(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return printable(String(value))
  return typeof value === "string" ? inQuotes(value) : kindOf(value)
}

/** What a value is, without telling it, should it be a secret. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
