import { parseArgs } from "node:util"
import { createGate } from "../gate.js"
import type { Diagnosis } from "../setup/diagnose.js"
import { diagnose, exitCodeOf, report } from "./doctor.js"
import { exampleFile } from "./example-file.js"
import { createAdministrator, type Enter } from "./init/administrator.js"
import { envLines } from "./init/env-lines.js"
import { InitError } from "./init/init-error.js"
import { look } from "./init/look.js"
import { type Change, plan } from "./init/plan.js"
import { exportRealm } from "./init/realm-file.js"
import { givenUp, readSettings, type Settings } from "./init/settings.js"
import { type Command, type Terminal, wrapped } from "./terminal.js"

/** Makes the realm and the client that an application needs, or completes them. */
export const init: Command = {
  usage: [
    "  keycloak-gate init [--yes] [--dry-run] [--json] [--export FILE]",
    "                     [--issuing-client ID] [--logout-url URL]",
    "    Makes realm and client in Keycloak, or completes them, and prints the",
    "    lines for .env. Shows the changes first. Asks for what is not in the",
    "    environment: KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_CLIENT_ID,",
    "    KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD, KEYCLOAK_ADMIN_REALM (master).",
    "    --yes      makes the changes without a question",
    "    --dry-run  shows them, and changes nothing",
    "    --json     prints one object for a script",
    "    --export   writes the realm to a file, without people and secrets",
    "    --issuing-client  another client whose tokens come to this application",
    "    --logout-url  where Keycloak tells of that client's logouts",
    "    Exit code: 0, or 1 with findings left, 2 with nothing changed, 3 midway.",
  ].join("\n"),
  async run(args, terminal) {
    const given = readArguments(args)
    if (given === null) {
      terminal.printError(`init takes nothing but these; all else is in the environment.\n\n${init.usage}`)
      return 2
    }
    const outcome = await setUp(given, given.json ? silent(terminal) : terminal)
    if (given.json) terminal.print(JSON.stringify(toldAsJson(outcome), null, 2))
    else tell(outcome, terminal)
    return exitCode(outcome, given)
  },
}

interface Given {
  readonly yes: boolean
  readonly dryRun: boolean
  readonly json: boolean
  readonly export: string | null
  readonly issuingClient: string | null
  readonly logoutUrl: string | null
}

interface Outcome {
  /** Those that were made; in a dry run, those that would be. */
  readonly changes: readonly Change[]
  readonly env: Readonly<Record<string, string>>
  readonly diagnosis: Diagnosis | null
  readonly error: InitError | null
  /** One more may have been made: its answer got lost. */
  readonly isUnclear?: boolean
}

/** Null for anything else, which is not shown: it may be a secret. */
function readArguments(args: readonly string[]): Given | null {
  const off = { type: "boolean", default: false } as const
  const options = {
    yes: off,
    json: off,
    "dry-run": off,
    export: { type: "string" },
    "issuing-client": { type: "string" },
    "logout-url": { type: "string" },
  } as const
  try {
    const { values } = parseArgs({ args: [...args], options })
    const { yes, json, export: file = null, "issuing-client": issuingClient = null } = values
    const { "logout-url": logoutUrl = null, "dry-run": dryRun } = values
    if ([file, issuingClient, logoutUrl].includes("")) return null
    return { yes, json, dryRun, export: file, issuingClient, logoutUrl }
  } catch {
    return null
  }
}

/** A script reads one object, and nobody is asked. */
function silent({ env, print, paint }: Terminal): Terminal {
  return { env, print, printError: () => undefined, paint }
}

async function setUp(given: Given, terminal: Terminal): Promise<Outcome> {
  const made: Change[] = []
  let isChanging = false
  const nothing = { env: {}, diagnosis: null }
  try {
    const settings = await readSettings(terminal, { issuingClient: given.issuingClient, logoutUrl: given.logoutUrl })
    await assertReachable(settings)
    const enter = createAdministrator(settings.login)
    const changes = plan(settings.wanted, await look(await enter(), settings.wanted))
    show(changes, settings, terminal)
    if (given.dryRun) return { ...nothing, changes, error: null }
    if (changes.length > 0 && !given.yes) await confirm(terminal)
    for (const change of changes) {
      const admin = await enter()
      isChanging = true
      await change.apply(admin)
      isChanging = false
      made.push(change)
      terminal.printError(`  done: ${change.what}`)
    }
    return { changes: made, error: null, ...(await finish(settings, enter, given, terminal)) }
  } catch (error) {
    if (!(error instanceof InitError)) throw error
    return { ...nothing, changes: made, error, isUnclear: isChanging && error.id.startsWith("server-") }
  }
}

/** The doctor tells what is wrong with an address; what it finds about tokens of the administrators' realm is not ours. */
async function assertReachable({ env, login }: Settings): Promise<void> {
  const gate = createGate({
    serverUrl: env.KEYCLOAK_URL ?? "",
    internalUrl: login.baseUrl,
    realm: login.realm,
    clientId: "admin-cli",
    allowInsecureHttp: true,
    onEvent: () => undefined,
  })
  try {
    const { findings } = await gate.diagnose({ uses: ["verifyBearer"] })
    const isAddress = ({ id }: { readonly id: string }) => /^(server|http|tls|internal-url)-/.test(id)
    const found = findings.find(one => one.severity === "broken" && isAddress(one))
    if (found !== undefined) throw new InitError(found.id, `${found.what} ${found.why}`, found.mend)
  } finally {
    await gate.close()
  }
}

function show(changes: readonly Change[], { wanted, login }: Settings, { printError }: Terminal): void {
  const where = `Realm ${JSON.stringify(wanted.realm)} at ${login.baseUrl}, client ${JSON.stringify(wanted.clientId)}:`
  const lines = changes.map(({ what, from, to }) => `  ${what}\n${wrapped(`${from} → ${to}`, "    ")}`)
  printError([where, ...(lines.length > 0 ? lines : ["  nothing to change"])].join("\n"))
}

async function confirm({ prompts }: Terminal): Promise<void> {
  if (prompts === undefined) {
    throw new InitError("not-confirmed", "Nobody is here to say yes, so nothing was changed.", "Add --yes.")
  }
  if ((await prompts.confirm("Make these changes?")) !== true) throw givenUp()
}

async function finish(
  { wanted, login, env: withoutSecret }: Settings,
  enter: Enter,
  given: Given,
  terminal: Terminal,
): Promise<Pick<Outcome, "env" | "diagnosis">> {
  const admin = await enter()
  const { client } = await look(admin, wanted)
  if (given.export !== null) await exportRealm(admin, wanted, given.export)
  const env = { ...withoutSecret, KEYCLOAK_CLIENT_SECRET: client?.secret ?? "" }
  const { username, password, realm } = login
  const administrator = {
    KEYCLOAK_ADMIN: username,
    KEYCLOAK_ADMIN_PASSWORD: password,
    KEYCLOAK_ADMIN_REALM: realm,
  }
  return { env, diagnosis: await diagnose({ ...terminal.env, ...env, ...administrator }, false) }
}

function exitCode({ changes, diagnosis, error, isUnclear }: Outcome, { dryRun }: Given): number {
  if (error !== null) return changes.length > 0 || isUnclear ? 3 : 2
  return dryRun || diagnosis === null || exitCodeOf(diagnosis) === 0 ? 0 : 1
}

function toldAsJson({ changes, env, diagnosis, error }: Outcome): unknown {
  return {
    changes: changes.map(({ what, from, to }) => ({ what, from, to })),
    env,
    ...(diagnosis !== null && { code: firstProgram(), findings: diagnosis.findings }),
    ...(error !== null && { error: { id: error.id, what: error.message, mend: error.mend } }),
  }
}

/** What somebody reads goes beside what may be written to a file. */
function tell({ changes, env, diagnosis, error, isUnclear }: Outcome, terminal: Terminal): void {
  const { print, printError } = terminal
  if (error !== null) {
    const unclear = isUnclear ? " The one after it may be made as well." : ""
    const stopped =
      changes.length > 0 || isUnclear ? [`Stopped midway. What is marked as done stays done.${unclear}`] : []
    const lines = [error.message, ...stopped, `Mend: ${error.mend}`].map(line => wrapped(line, "  "))
    printError(["", `ERROR  ${error.id}`, ...lines].join("\n"))
  }
  if (diagnosis === null) return
  const plain = { ...terminal, paint: (_: unknown, text: string) => text }
  printError(`\n${report(diagnosis, true, plain)}\n\nThe lines for .env:\n`)
  print(envLines(env))
  if (changes.length > 0)
    printError(`\nA first program, app.js. Begin it with node --env-file=.env app.js:\n\n${firstProgram()}`)
}

/** Without the comment, which is for readers of the examples. */
function firstProgram(): string {
  return exampleFile("first-program.ts").replace(/^\/\/.*\n/, "")
}
