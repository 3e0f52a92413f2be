import { type FieldProblem, GateError } from "../errors.js"
import { printable } from "../foreign-text.js"
import { kindOf, shown } from "../option-reader.js"
import { otherName } from "../options/other-names.js"
import type { Checked } from "../options/server-address.js"
import { type Environment, withVariables } from "./variables.js"

/** A member of a keycloak.json that makes no option. */
export interface IgnoredMember {
  /** Its name, as it was given. */
  readonly name: string
  /** Why, and what there is in its place. */
  readonly why: string
}

/** Reads the members of one keycloak.json, and notes what is wrong and what makes no option, instead of stopping there. */
export interface Members {
  /** The first of these that is given. */
  readonly text: (names: readonly string[], check: (found: unknown) => Checked) => string
  readonly flag: (names: readonly string[]) => { readonly name: string; readonly isSet: boolean } | null
  readonly secret: (names: readonly string[]) => string | null
  readonly ignore: (name: string, why: string) => void
  /**
   * What was not taken.
   *
   * @throws {GateError} `config_invalid` naming each member that is missing or wrong
   */
  readonly close: () => readonly IgnoredMember[]
}

/** Empty ones are not given, as keycloak-connect has it. */
export function createMembers(file: Readonly<Record<string, unknown>>, env: Environment): Members {
  const members = withCredentials(file)
  const asked = new Set<string>()
  const problems: { readonly name: string; readonly message: string }[] = []
  const ignored: IgnoredMember[] = []

  /** Its value is undefined where a variable can't be replaced, which is noted. */
  function first(names: readonly string[]): { readonly name: string; readonly value: unknown } | null {
    for (const name of names) asked.add(name)
    const [name, ...others] = names.filter(one => isGiven(members[one]))
    if (name === undefined) return null
    for (const other of others) if (members[other] !== members[name]) ignore(other, `\`${name}\` comes before it`)
    return { name, value: resolved(name, members[name]) }
  }
  function resolved(name: string, value: unknown): unknown {
    if (typeof value !== "string") return value
    const replaced = withVariables(value, env)
    if ("text" in replaced) return replaced.text
    note(name, replaced.problem)
    return undefined
  }
  function note(name: string, message: string): null {
    problems.push({ name, message })
    return null
  }
  function ignore(name: string, why: string): void {
    ignored.push({ name, why })
  }

  return {
    text(names, check) {
      const found = first(names)
      if (found !== null && found.value === undefined) return ""
      const checked = check(found?.value)
      if ("value" in checked) return checked.value
      note(found?.name ?? names[0] ?? "", checked.problem)
      return ""
    },
    flag(names) {
      const found = first(names)
      if (found === null || found.value === undefined) return null
      const { name, value } = found
      if (value === true || value === "true") return { name, isSet: true }
      if (value === false || value === "false" || value === "") return { name, isSet: false }
      return note(name, `expected true or false, got ${shown(value)}`)
    },
    secret(names) {
      const { name, value } = first(names) ?? { name: "", value: undefined }
      if (value === undefined || value === "") return null
      if (typeof value === "string" && value.trim() !== "") return value
      const got = typeof value === "string" ? "blanks alone" : kindOf(value)
      return note(name, `expected the secret from Clients → Credentials, got ${got}`)
    },
    ignore,
    close() {
      if (problems.length > 0) throw wrongMembers(problems)
      const others = Object.keys(members).filter(name => !asked.has(name) && members[name] !== undefined)
      return [...ignored, ...others.map(name => ({ name, why: whyIgnored(name) }))]
    },
  }
}

/** With the members of `credentials` among the others, as `credentials.secret`. */
function withCredentials(file: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { credentials, ...others } = file
  if (!isGiven(credentials)) return others
  if (typeof credentials !== "object" || Array.isArray(credentials)) {
    const message = `expected an object with the member "secret", got ${kindOf(credentials)}`
    throw wrongMembers([{ name: "credentials", message }])
  }
  const inside = Object.entries(credentials ?? {}).map(([name, value]) => [`credentials.${name}`, value])
  return { ...others, ...Object.fromEntries(inside) }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ""
}

function whyIgnored(name: string): string {
  if (name.startsWith("credentials.")) return "only a secret is taken, as `clientSecret`"
  const other = otherName(name)
  if (other === null) return "there is no such option"
  return other.ours === null ? other.how : `the option \`${other.ours}\` takes its place. ${other.how}`
}

function wrongMembers(problems: readonly { readonly name: string; readonly message: string }[]): GateError {
  const lines = problems.map(({ name, message }) => `\`${printable(name)}\`: ${message}.`)
  const fields: FieldProblem[] = problems.map(({ name }) => ({ field: name, rule: "option", params: [] }))
  return new GateError("config_invalid", `optionsFromKeycloakJson: wrong members.\n${lines.join("\n")}`, { fields })
}
