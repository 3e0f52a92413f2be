/** npm run demo [-- --framework express|fastify|koa]: the whole story on a real Keycloak, told step by step. */
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createGate } from "keycloak-gate"
import pc from "picocolors"
import { type RunningKeycloak, startKeycloak } from "../../test/live/keycloak/start.ts"
import { startSecondProcess } from "../../test/live/second-process.ts"
import type { Application } from "../application.ts"
import { openDatabase } from "./database.ts"
import { type Answer, createNarrator } from "./narrator.ts"

const frameworks = ["express", "fastify", "koa"]
const realmFile = join(import.meta.dirname, "../realm.json")
const client = { realm: "shop", clientId: "shop-api", clientSecret: "change-me-in-production" }
const ada = {
  username: "ada",
  email: "ada@example.test",
  firstName: "Ada",
  lastName: "Lovelace",
  password: "Lovelace-1815",
}
const edith = { username: "edith", password: "Edith-2026!" }

const framework = chosenFramework()
const started = performance.now()
const { chapter, request, answer, note, check, end } = createNarrator()

console.log(`${pc.bold("keycloak-gate")}: a person's story, in ${framework}`)
const database = await openDatabase()
let keycloak = await launchKeycloak()
const gate = createGate({
  serverUrl: keycloak.url,
  ...client,
  userStore: database.store,
  timeoutMs: 2000,
  onEvent: () => {},
})
const { createApplication } = (await import(`../${framework}/app.ts`)) as {
  createApplication(from: typeof gate): Application
}
const application = await createApplication(gate).listen(0)
note("Keycloak", keycloak.url)
note("database", database.name)
note("ours", application.url)

let exitCode = 1
try {
  await tellStory()
  exitCode = end((performance.now() - started) / 1000)
} finally {
  await application.close()
  gate.close()
  await keycloak.stop()
  await database.close()
}
process.exitCode = exitCode

async function tellStory(): Promise<void> {
  chapter("Is Keycloak set up for us?")
  await gate.ready()
  note("ready()", "realm, secret, service account, manage-users, direct grants, audience, clock: fine")

  chapter("Ada registers: an account in Keycloak and a row in our table, or neither")
  const registered = await send("POST", "/register", 201, { body: ada })
  note("Keycloak", await accountOf("ada"))
  note("database", await rowOf("ada"))
  check(registered.body?.subject !== undefined && (await database.rowsOf("ada")).length === 1, "one account, one row")

  chapter("Somebody takes the same name")
  await send("POST", "/register", 409, { body: { ...ada, email: "other@example.test" } })

  chapter("Somebody chooses a weak password: Keycloak's rule, by name")
  await send("POST", "/register", 422, {
    body: { ...ada, username: "bob", email: "bob@example.test", password: "short" },
  })
  note("Keycloak", await accountOf("bob"))
  check((await database.rowsOf("bob")).length === 0, "no row for who was refused")

  chapter("A wrong password: one answer, whatever the reason")
  await send("POST", "/login", 401, { body: { username: "ada", password: "wrong" } })

  chapter("Ada logs in")
  const session = await send("POST", "/login", 200, { body: { username: "ada", password: ada.password } })
  note("Keycloak", `${await sessionsOf("ada")} session(s) of ada`)
  const token = String(session.body?.access_token)

  chapter("An open route, without a token: a stranger is welcome")
  await send("GET", "/", 200)

  chapter("A guarded route, without a token")
  await send("GET", "/me", 401)

  chapter("A guarded route, with it: our own row of her")
  const me = await send("GET", "/me", 200, { token, as: "Ada's access token" })
  check(me.body?.username === "ada", "/me is Ada's row")

  chapter("A route for editors: Ada is none")
  await send("GET", "/editor", 403, { token, as: "Ada's access token" })

  chapter("Edith is: her group has the role")
  const edithSession = await send("POST", "/login", 200, { body: edith })
  await send("GET", "/editor", 200, { token: String(edithSession.body?.access_token), as: "Edith's access token" })
  note("database", await rowOf("edith"))

  chapter("The wrong kinds of token, and a forged one")
  const { idToken = "" } = await gate.loginWithPassword({ username: "ada", password: ada.password, scope: "openid" })
  await send("GET", "/me", 401, { token: idToken, as: "Ada's ID token" })
  await send("GET", "/me", 401, { token: String(session.body?.refresh_token), as: "Ada's refresh token" })
  await send("GET", "/", 401, { token: forged(token), as: "Ada's access token, made out to Edith" })

  chapter("Another process of the same application sees the same row")
  await tellSecondProcess(token, me)

  chapter("Keycloak stops: who is known stays in, logging in has to wait")
  await keycloak.stop()
  note("Keycloak", "stopped")
  await send("GET", "/me", 200, { token, as: "Ada's access token" })
  await send("POST", "/login", 503, { body: { username: "ada", password: ada.password } })

  chapter("Keycloak comes back, and nobody has to restart anything")
  keycloak = await launchKeycloak(keycloak.port)
  note("Keycloak", "started again, with an empty database, so with new keys")
  const again = await send("POST", "/login", 200, { body: edith })
  await send("GET", "/editor", 200, { token: String(again.body?.access_token), as: "Edith's new access token" })

  chapter("Edith renews her session and logs out")
  const renewed = await send("POST", "/refresh", 200, { body: { refresh_token: again.body?.refresh_token } })
  await send("POST", "/logout", 204, { body: { refresh_token: renewed.body?.refresh_token } })
  note("Keycloak", `${await sessionsOf("edith")} session(s) of edith`)
  await send("POST", "/refresh", 401, { body: { refresh_token: renewed.body?.refresh_token } })
}

async function tellSecondProcess(token: string, me: Answer): Promise<void> {
  if (database.url === null) return note("skipped", "SQLite in memory has one process")
  const other = await startSecondProcess(framework, { serverUrl: keycloak.url, ...client, pgUrl: database.url })
  try {
    note("ours", `${other.url}, another process`)
    const there = await send("GET", "/me", 200, { token, as: "Ada's access token", url: other.url })
    check(there.body?.id === me.body?.id, "the same row in both processes")
  } finally {
    await other.stop()
  }
}

interface Sent {
  readonly body?: unknown
  readonly token?: string
  /** How the story names the token. */
  readonly as?: string
  readonly url?: string
}

async function send(
  method: string,
  path: string,
  status: number,
  { body, token, as, url = application.url }: Sent = {},
): Promise<Answer> {
  request(method, path, { body, token: as })
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const answered: Answer = {
    status: response.status,
    challenge: response.headers.get("www-authenticate"),
    body: text.startsWith("{") ? JSON.parse(text) : null,
  }
  answer(answered)
  check(response.status === status, `${method} ${path} answers ${status}`)
  return answered
}

async function accountsNamed(username: string): Promise<{ id: string; enabled: boolean }[]> {
  const { body } = await keycloak.adminFetch("GET", `/realms/shop/users?exact=true&username=${username}`)
  return body as { id: string; enabled: boolean }[]
}

async function accountOf(username: string): Promise<string> {
  const [account] = await accountsNamed(username)
  return account === undefined
    ? `no account ${username}`
    : `account ${username}, ${account.enabled ? "enabled" : "disabled"}`
}

async function sessionsOf(username: string): Promise<number> {
  const [account] = await accountsNamed(username)
  const { body } = await keycloak.adminFetch("GET", `/realms/shop/users/${account?.id}/sessions`)
  return (body as unknown[]).length
}

async function rowOf(username: string): Promise<string> {
  const [row] = await database.rowsOf(username)
  return row === undefined ? `no row for ${username}` : `row ${row.id}: ${row.username}`
}

/** Another person's name under the same signature. */
function forged(token: string): string {
  const [header, payload = "", signature] = token.split(".")
  const claims = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), preferred_username: "edith" }
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`
}

function launchKeycloak(port = 0): Promise<RunningKeycloak> {
  return startKeycloak({
    port,
    realms: [realmFile],
    log: line => /^(Fetching|Building)/.test(line) && note("Keycloak", line),
  })
}

function chosenFramework(): string {
  const { values } = parseArgs({ options: { framework: { type: "string", default: "express" } }, strict: false })
  const chosen = String(values.framework)
  if (frameworks.includes(chosen)) return chosen
  console.error(`usage: npm run demo -- --framework ${frameworks.join("|")}`)
  process.exit(2)
}
