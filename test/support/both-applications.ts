import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Express, RequestHandler } from "express"
import { createApplication as createAfterJwtBearer } from "../../examples/express-oauth2-jwt-bearer/app.ts"
import { createApplication as createAfterKeycloakConnect } from "../../examples/keycloak-connect/app.ts"
import { createGate, type Gate } from "../../src/index.js"
import { optionsFromKeycloakJson } from "../../src/migrate/index.js"
import { listen } from "../adapters/listen.ts"
import { installJwtBearer, installKeycloakConnect } from "../examples/installed-example.ts"

/** What both applications answered; `hello` is null in a refusal. */
interface Answers {
  readonly before: Answer
  readonly after: Answer
}

interface Answer {
  readonly status: number
  readonly hello: string | null
}

/** One application with another library, and the same with keycloak-gate. */
export interface BothApplications {
  readonly ask: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answers>
  /** Of the one before, and of the one after. */
  readonly urls: readonly [string, string]
  readonly close: () => Promise<void>
}

const keycloakJson = join(import.meta.dirname, "../../examples/keycloak-connect/keycloak.json")
export const clientId = "shop-api"

interface Realm {
  readonly serverUrl: string
  readonly realm: string
}

/** The routes of keycloak-connect's documentation. */
export async function startBoth({ serverUrl, realm }: Realm): Promise<BothApplications> {
  const env = { KEYCLOAK_URL: serverUrl, KEYCLOAK_REALM: realm }
  const program = await applicationIn(await installKeycloakConnect())
  // keycloak-connect looks nowhere else, and once.
  const { KEYCLOAK_URL, KEYCLOAK_REALM } = process.env
  Object.assign(process.env, env)
  const before = program(keycloakJson)
  restore({ KEYCLOAK_URL, KEYCLOAK_REALM })
  const options = optionsFromKeycloakJson(keycloakJson, { env, onIgnored: () => undefined })
  const gate = createGate({ ...options, onEvent: () => undefined })
  return serve(before, createAfterKeycloakConnect(gate as never, clientId), gate)
}

/** Those of an API with express-oauth2-jwt-bearer. */
export async function startBothApis(realm: Realm): Promise<BothApplications> {
  const program = await applicationIn(await installJwtBearer())
  const gate = createGate({ ...realm, clientId, onEvent: () => undefined })
  const before = program(`${realm.serverUrl}/realms/${realm.realm}`, clientId)
  return serve(before, createAfterJwtBearer(gate as never), gate)
}

async function applicationIn(folder: string): Promise<(...configuration: string[]) => Express> {
  return (await import(pathToFileURL(join(folder, "app.js")).href)).createApplication
}

async function serve(
  applicationBefore: Express,
  applicationAfter: Express,
  gate: Pick<Gate<unknown>, "close">,
): Promise<BothApplications> {
  const [before, after] = [await listen(applicationBefore), await listen(applicationAfter)]
  return {
    urls: [before.url, after.url],
    async ask(path, headers = {}) {
      return { before: await answerOf(before.url + path, headers), after: await answerOf(after.url + path, headers) }
    },
    async close() {
      await Promise.all([before.close(), after.close(), gate.close()])
    },
  }
}

function restore(env: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

/** keycloak-connect's own class, for what no route of the application shows. */
export async function createProtect(configuration: object): Promise<(...spec: unknown[]) => RequestHandler[]> {
  const Keycloak = createRequire(import.meta.url)(join(await installKeycloakConnect(), "node_modules/keycloak-connect"))
  const keycloak = new Keycloak({}, configuration)
  return (...spec) => [...keycloak.middleware(), keycloak.protect(...spec)]
}

export async function answerOf(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const answer = await fetch(url, { headers, redirect: "manual" })
  const text = await answer.text()
  return { status: answer.status, hello: answer.ok ? String(JSON.parse(text).hello) : null }
}

/** The rows of a section's table that tell statuses: what comes, before, and after. */
export function differencesIn(section: string): readonly (readonly [what: string, before: string, after: string])[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/migrate.md"), "utf8")
  const [text = ""] = page.split(`## ${section}\n`)[1]?.split("\n## ") ?? []
  const rows = text.matchAll(/^\| (.+?) \| (\d{3}|no start)(?:,[^|]*)? \| (\d{3}|no start)(?:,[^|]*)? \|/gm)
  return [...rows].map(([, what = "", before = "", after = ""]) => [what, before, after])
}
