import { type Checked, checkName, checkRealmName, checkServerUrl } from "../../options/server-address.js"
import type { Terminal } from "../terminal.js"
import type { AdministratorsLogin } from "./administrator.js"
import { InitError } from "./init-error.js"
import { assertLogoutUrl } from "./logout-url.js"
import type { Wanted } from "./look.js"

export interface Settings {
  readonly wanted: Wanted
  readonly login: AdministratorsLogin
  /** What `optionsFromEnv` reads, without the secret. */
  readonly env: Readonly<Record<string, string>>
}

/** What stands behind `init` in the command line. */
type Given = Pick<Wanted, "issuingClient" | "logoutUrl">

interface Variable {
  readonly name: string
  readonly question: string
  readonly suggestion: string
  readonly check: (found: unknown) => Checked
  readonly isSecret?: true
}

const needed: readonly Variable[] = [
  {
    name: "KEYCLOAK_URL",
    question: "Where is Keycloak? The part of its address before /realms/",
    suggestion: "http://localhost:8080",
    check: checkServerUrl,
  },
  {
    name: "KEYCLOAK_REALM",
    question: "Which realm? A new one is made where there is none of this name",
    suggestion: "shop",
    check: checkRealmName,
  },
  {
    name: "KEYCLOAK_CLIENT_ID",
    question: "Which client is this application? A new one is made where there is none of this name",
    suggestion: "shop-api",
    check: found => checkName(found, "a Client ID"),
  },
  {
    name: "KEYCLOAK_ADMIN",
    question: "Who administers Keycloak?",
    suggestion: "admin",
    check: found => checkName(found, "an administrator's name"),
  },
  {
    name: "KEYCLOAK_ADMIN_PASSWORD",
    question: "The administrator's password",
    suggestion: "",
    isSecret: true,
    check: found => (found === "" ? { problem: "expected a password" } : { value: String(found) }),
  },
]

const optional: readonly Pick<Variable, "name" | "check">[] = [
  { name: "KEYCLOAK_ADMIN_REALM", check: checkRealmName },
  { name: "KEYCLOAK_INTERNAL_URL", check: checkServerUrl },
  { name: "KEYCLOAK_AUDIENCE", check: found => checkName(found, "an audience") },
]

/**
 * Reads the environment, and asks for what it lacks where somebody is there.
 *
 * @throws {InitError} `environment-unusable` naming every variable that is missing or can't be used;
 * `logout-url-unusable`
 */
export async function readSettings(terminal: Terminal, given: Given): Promise<Settings> {
  if (given.logoutUrl !== null) assertLogoutUrl(given.logoutUrl)
  const values = new Map<string, string>()
  const problems: string[] = []
  for (const variable of [...needed, ...optional]) {
    const found = terminal.env[variable.name] || (await askFor(variable, terminal))
    if (found === undefined) {
      if ("question" in variable) problems.push(`${variable.name} is missing.`)
      continue
    }
    const checked = variable.check(found)
    if ("problem" in checked) problems.push(`${variable.name}: ${checked.problem}.`)
    else values.set(variable.name, checked.value)
  }
  if (problems.length > 0) {
    throw new InitError(
      "environment-unusable",
      problems.join(" "),
      "Set the variables, or read them from a file: node --env-file=.env node_modules/.bin/keycloak-gate init",
    )
  }
  return settingsOf(name => values.get(name), given)
}

async function askFor(variable: Variable | Pick<Variable, "name">, { prompts }: Terminal): Promise<string | undefined> {
  if (prompts === undefined || !("question" in variable)) return undefined
  const { name, question, suggestion, check, isSecret } = variable
  const problemOf = (answer: string) => {
    const checked = check(answer)
    return "problem" in checked ? `${name}: ${checked.problem}` : undefined
  }
  const answer = isSecret ? await prompts.secret(question) : await prompts.text(question, suggestion, problemOf)
  if (answer === null) throw givenUp()
  return answer
}

export function givenUp(): InitError {
  return new InitError("given-up", "Nothing was changed.", "Run init again, or see what it would do with --dry-run.")
}

function settingsOf(value: (name: string) => string | undefined, given: Given): Settings {
  const text = (name: string) => value(name) ?? ""
  const [serverUrl, realm, clientId] = [text("KEYCLOAK_URL"), text("KEYCLOAK_REALM"), text("KEYCLOAK_CLIENT_ID")]
  const [internalUrl, audience] = [value("KEYCLOAK_INTERNAL_URL"), value("KEYCLOAK_AUDIENCE")]
  return {
    wanted: { realm, clientId, audience: audience ?? clientId, ...given },
    login: {
      baseUrl: internalUrl ?? serverUrl,
      realm: value("KEYCLOAK_ADMIN_REALM") ?? "master",
      username: text("KEYCLOAK_ADMIN"),
      password: text("KEYCLOAK_ADMIN_PASSWORD"),
    },
    env: {
      KEYCLOAK_URL: serverUrl,
      ...(internalUrl !== undefined && { KEYCLOAK_INTERNAL_URL: internalUrl }),
      KEYCLOAK_REALM: realm,
      KEYCLOAK_CLIENT_ID: clientId,
      ...(audience !== undefined && { KEYCLOAK_AUDIENCE: audience }),
    },
  }
}
