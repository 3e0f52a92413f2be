import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Express, RequestHandler } from "express"
import { createApplication } from "../../examples/keycloak-connect/app.ts"
import { createGate } from "../../src/index.js"
import { optionsFromKeycloakJson } from "../../src/migrate/index.js"
import { listen } from "../adapters/listen.ts"
import { installKeycloakConnect } from "../examples/installed-example.ts"

/** What both applications answered; `hello` is null in a refusal. */
interface Answers {
  readonly before: Answer
  readonly after: Answer
}

interface Answer {
  readonly status: number
  readonly hello: string | null
}

/** One application with keycloak-connect, and the same with keycloak-gate. */
export interface BothApplications {
  readonly ask: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answers>
  /** Of the one before, and of the one after. */
  readonly urls: readonly [string, string]
  readonly close: () => Promise<void>
}

const keycloakJson = join(import.meta.dirname, "../../examples/keycloak-connect/keycloak.json")
export const clientId = "shop-api"

export async function startBoth({ serverUrl, realm }: { serverUrl: string; realm: string }): Promise<BothApplications> {
  const env = { KEYCLOAK_URL: serverUrl, KEYCLOAK_REALM: realm }
  const folder = await installKeycloakConnect()
  const program: { createApplication(keycloakJson: string): Express } = await import(
    pathToFileURL(join(folder, "app.js")).href
  )
  // keycloak-connect looks nowhere else, and once.
  const { KEYCLOAK_URL, KEYCLOAK_REALM } = process.env
  Object.assign(process.env, env)
  const before = await listen(program.createApplication(keycloakJson))
  restore({ KEYCLOAK_URL, KEYCLOAK_REALM })
  const gate = createGate({
    ...optionsFromKeycloakJson(keycloakJson, { env, onIgnored: () => undefined }),
    onEvent: () => undefined,
  })
  const after = await listen(createApplication(gate as never, clientId))
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
