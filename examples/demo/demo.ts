/**
 * `npm run demo`: the whole story in this process, on the test realm and SQLite.
 * `npm run demo -- --keycloak`: the same on a real Keycloak, and on PostgreSQL where there is one.
 */
import { parseArgs } from "node:util"
import { createGate, type Gate, type GateEvent } from "keycloak-gate"
import pc from "picocolors"
import type { Application } from "../application.ts"
import type { Row } from "../stores/row.ts"
import { openPostgres, openSqlite } from "./database.ts"
import { client, edith } from "./keycloak.ts"
import { createNarrator } from "./narrator.ts"
import { startSecondProcess } from "./second-process.ts"
import { ada, tellStory, weakPassword } from "./story.ts"

const applications: Readonly<Record<string, () => Promise<{ createApplication(gate: Gate<Row>): Application }>>> = {
  express: () => import("../express/app.ts"),
  fastify: () => import("../fastify/app.ts"),
  koa: () => import("../koa/app.ts"),
  "node-http": () => import("../node-http/app.ts"),
}

const { framework, keycloak: isReal } = readArguments()
const started = performance.now()
const secrets = [client.clientSecret, edith.password, ada.password, weakPassword]
const narrator = createNarrator(line => isInterrupted || console.log(line), secrets)
const undoes: (() => Promise<void>)[] = []
let undone: Promise<void> | null = null
let isInterrupted = false

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (isInterrupted) process.exit(130)
    isInterrupted = true
    console.log("\nInterrupted. Leaving nothing behind …")
    undoAll().finally(() => process.exit(130))
  })
}

try {
  await perform()
} catch (error) {
  const { message } = error as Error
  const where = narrator.steps === 0 ? "The story could not begin" : `Step ${narrator.steps} went otherwise than told`
  narrator.say(pc.red(`${where}: ${message}`))
  process.exitCode = 1
} finally {
  await undoAll()
}

async function perform(): Promise<void> {
  narrator.say(pc.bold("keycloak-gate: the whole story, step by step"))
  const database = isReal ? await openPostgres() : openSqlite()
  undoes.push(database.remove)
  const keycloak = isReal ? await openReal() : await (await import("./test-realm.ts")).openTestRealm()
  undoes.push(keycloak.stop)

  const events: GateEvent[] = []
  const options = { serverUrl: keycloak.url, ...client, userStore: database.userStore }
  const gate = createGate({ ...options, onEvent: event => events.push(event) })
  undoes.push(async () => gate.close())
  const { createApplication } = await applicationOf(framework)
  const { url, close } = await createApplication(gate).listen(0)
  undoes.push(close)

  narrator.list({
    Keycloak: `${keycloak.name}, at ${keycloak.url}, realm ${client.realm}`,
    Database: database.name,
    Application: `examples/${framework}/app.ts at ${url}`,
  })
  const scene = { keycloak, database, gate, url, heard: () => events.splice(0), startSecondProcess: startSecond }
  await tellStory(scene, narrator)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  narrator.say(`${pc.green(`${narrator.steps} steps, all as told.`)} ${seconds} s`)

  async function startSecond() {
    const { realm, clientId, clientSecret } = client
    const second = await startSecondProcess(framework, {
      ...database.env,
      KEYCLOAK_URL: options.serverUrl,
      KEYCLOAK_REALM: realm,
      KEYCLOAK_CLIENT_ID: clientId,
      KEYCLOAK_CLIENT_SECRET: clientSecret,
    })
    undoes.push(second.close)
    return second
  }
}

/** Imported only here, since it can fetch and start a server. */
async function openReal() {
  const { openRealKeycloak } = await import("./real-keycloak.ts")
  return openRealKeycloak(line => narrator.say(pc.dim(`${line} …`)))
}

/** Undoes what was begun, the latest first, each of it even when another fails; however often it is called, once. */
function undoAll(): Promise<void> {
  undone ??= (async () => {
    for (const undo of undoes.reverse()) {
      await undo().catch((error: Error) => console.error(pc.red(`Cleaning up: ${error.message}`)))
    }
  })()
  return undone
}

function applicationOf(name: string) {
  const load = applications[name]
  if (load === undefined) throw new Error(`there is no example for ${name}`)
  return load()
}

function readArguments(): { framework: string; keycloak: boolean } {
  const names = Object.keys(applications)
  try {
    const { values } = parseArgs({
      options: { framework: { type: "string", default: "express" }, keycloak: { type: "boolean", default: false } },
    })
    if (names.includes(values.framework)) return values
  } catch (error) {
    console.error((error as Error).message)
  }
  console.error(`usage: npm run demo -- [--keycloak] [--framework ${names.join("|")}]`)
  process.exit(2)
}
