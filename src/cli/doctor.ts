import { parseArgs } from "node:util"
import { isGateError } from "../errors.js"
import { createGate } from "../gate.js"
import { optionsFromEnv } from "../options/options-from-env.js"
import type { Diagnosis } from "../setup/diagnose.js"
import type { Severity, ToldFinding } from "../setup/finding.js"
import { type Command, type Style, type Terminal, wrapped } from "./terminal.js"

/** Asks the realm of the environment what is wrong with it. */
export const doctor: Command = {
  usage: [
    "  keycloak-gate doctor [--json] [--probe]",
    "    Asks Keycloak what is wrong with the set-up: KEYCLOAK_URL, KEYCLOAK_REALM,",
    "    KEYCLOAK_CLIENT_ID, KEYCLOAK_CLIENT_SECRET. An administrator sees more:",
    "    KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD, KEYCLOAK_ADMIN_REALM (master).",
    "    --json   prints the findings for a script",
    "    --probe  registers a throw-away person, logs in and removes them",
    "    Exit code: 2 with something broken, 1 with a warning, else 0.",
  ].join("\n"),
  async run(args, terminal) {
    const given = readArguments(args)
    if (given === null) {
      terminal.printError(`doctor takes --json and --probe alone; all else is in the environment.\n\n${doctor.usage}`)
      return 2
    }
    const diagnosis = await diagnose(terminal.env, given.probe)
    terminal.print(given.json ? JSON.stringify(diagnosis, null, 2) : report(diagnosis, given.probe, terminal))
    return exitCodeOf(diagnosis)
  },
}

type Env = Terminal["env"]

/** Null for anything else, which is not shown: it may be a secret. */
function readArguments(args: readonly string[]): { readonly json: boolean; readonly probe: boolean } | null {
  const options = { json: { type: "boolean", default: false }, probe: { type: "boolean", default: false } } as const
  try {
    return parseArgs({ args: [...args], options }).values
  } catch {
    return null
  }
}

export async function diagnose(env: Env, probe: boolean): Promise<Diagnosis> {
  let gate: ReturnType<typeof createGate>
  try {
    // What an application says in its own code can't be seen from here: plain http becomes a note.
    gate = createGate({ ...optionsFromEnv(env), allowInsecureHttp: true, onEvent: () => undefined })
  } catch (error) {
    if (isGateError(error) && error.code === "config_invalid") return unusable(error.message, env)
    throw error
  }
  try {
    return await gate.diagnose({ probe, administrator: administratorIn(env) })
  } finally {
    await gate.close()
  }
}

function administratorIn(env: Env): { username: string; password: string; realm?: string } | undefined {
  const { KEYCLOAK_ADMIN: username, KEYCLOAK_ADMIN_PASSWORD: password, KEYCLOAK_ADMIN_REALM: realm } = env
  return username && password ? { username, password, ...(realm && { realm }) } : undefined
}

/** In the form of the others, for whoever reads JSON. */
function unusable(why: string, { KEYCLOAK_URL = "" }: Env): Diagnosis {
  const isTooLong = /\/realms(\/|$)/.test(KEYCLOAK_URL)
  const sentences = isTooLong
    ? {
        id: "server-path",
        what: "KEYCLOAK_URL goes on into a realm.",
        mend: "Set it to the part before `/realms/`, and KEYCLOAK_REALM to the realm's name.",
      }
    : {
        id: "environment-unusable",
        what: "The environment does not say which Keycloak.",
        mend: "Set the variables, or read them from a file: node --env-file=.env node_modules/.bin/keycloak-gate doctor",
      }
  return { ok: false, findings: [{ severity: "broken", why, ...sentences }] }
}

export function exitCodeOf({ ok, findings }: Diagnosis): number {
  if (!ok) return 2
  return findings.some(({ severity }) => severity === "warning") ? 1 : 0
}

const styles: Readonly<Record<Severity, Style>> = { broken: "red", warning: "yellow", note: "cyan" }

export function report({ findings }: Diagnosis, probe: boolean, terminal: Terminal): string {
  const { paint, env } = terminal
  const told = findings.map(({ id, severity, what, why, mend }) =>
    [
      `${paint(styles[severity], severity.toUpperCase())}  ${paint("bold", id)}`,
      wrapped(what, "  "),
      wrapped(why, "  "),
      wrapped(`Mend: ${mend}`, "  "),
    ].join("\n"),
  )
  return [...told, summary(findings, paint), notLookedAt(probe, env)].filter(Boolean).join("\n\n")
}

function summary(findings: readonly ToldFinding[], paint: Terminal["paint"]): string {
  if (findings.length === 0) return paint("green", "Nothing is wrong.")
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length
  const many = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`
  return `${count("broken")} broken, ${many(count("warning"), "warning")}, ${many(count("note"), "note")}.`
}

function notLookedAt(probe: boolean, env: Env): string {
  const missing = [
    probe ? "" : "what a person's token shows (--probe)",
    administratorIn(env) ? "" : "what an administrator sees (KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD)",
  ].filter(Boolean)
  return missing.length === 0 ? "" : wrapped(`Not looked at: ${missing.join("; ")}.`)
}
