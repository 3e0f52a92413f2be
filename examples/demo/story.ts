import type { Gate, GateEvent } from "keycloak-gate"
import type { Listening } from "../application.ts"
import type { Row } from "../stores/row.ts"
import type { DemoDatabase } from "./database.ts"
import { client, type DemoKeycloak, edith } from "./keycloak.ts"
import type { Narrator, Step } from "./narrator.ts"

/** What the story is about. */
export interface Scene {
  readonly keycloak: DemoKeycloak
  readonly database: DemoDatabase
  readonly gate: Gate<Row>
  /** The application's address. */
  readonly url: string
  /** What the gate has reported since it was last asked. */
  heard(): readonly GateEvent[]
  startSecondProcess(): Promise<Listening>
}

export const ada = {
  username: "ada",
  email: "ada@shop.example",
  firstName: "Ada",
  lastName: "Lovelace",
  password: "Analytical-1843",
}
export const weakPassword = "enigma"

/** The whole story; it ends where something goes otherwise than told. */
export async function tellStory(scene: Scene, narrator: Narrator): Promise<void> {
  const { keycloak, database } = scene
  const { chapter, step } = narrator
  const call = caller(scene)
  const rowsNamed = async (username: string) => (await database.rows()).filter(row => row.username === username)

  chapter("Before anything: is Keycloak set up for us?")
  await step("The application asks, and would be told all that is wrong at once", async ({ tell }) => {
    await scene.gate.ready()
    tell("ready()", "realm, client, secret, service account and its right to create users, audience, clock: fine")
  })

  chapter("Registering")
  let subject = ""
  await step("Ada registers: an account in Keycloak and a row in our table, or neither", async step => {
    const { body } = await call(step, "POST", "/register", { body: ada, expect: 201 })
    subject = String(body.subject)
    const accounts = await keycloak.accountsNamed("ada")
    step.expect("accounts", accounts, [{ id: subject, enabled: true }])
    step.expect("sessions", await keycloak.sessionsOf(subject), 0)
    step.tell("Keycloak", `one account "ada" with this subject, enabled; no session yet`)
    const rows = await database.rows()
    step.expect("rows", rows.map(nameOf), [{ subject, username: "ada", email: ada.email }])
    step.tell("database", `one row: ${describe(rows[0])}`)
  })
  await step("She registers once more", async step => {
    await call(step, "POST", "/register", { body: ada, expect: 409, error: "user_exists" })
    step.expect("accounts", (await keycloak.accountsNamed("ada")).length, 1)
    step.tell("Keycloak", "still one account")
    step.expect("rows", (await database.rows()).length, 1)
    step.tell("database", "still one row")
  })
  await step("Alan registers with a weak password: the answer names Keycloak's rule", async step => {
    const alan = { username: "alan", email: "alan@shop.example", firstName: "Alan", lastName: "Turing" }
    const { body } = await call(step, "POST", "/register", {
      body: { ...alan, password: weakPassword },
      expect: 422,
      error: "account_rejected",
    })
    const rules = body.fields as { field: string; rule: string }[]
    step.expect("rule", [rules[0]?.field, rules[0]?.rule], ["password", "invalidPasswordMinLengthMessage"])
    step.expect("accounts", await keycloak.accountsNamed("alan"), [])
    step.expect("rows", await rowsNamed("alan"), [])
    step.tell("Keycloak", `no account "alan"`)
    step.tell("database", "no row")
  })

  chapter("Logging in")
  let adaToken = ""
  let refreshToken = ""
  const mistyped = "Analytical-1834"
  let refusal = {}
  await step("Ada mistypes her password", async step => {
    const body = { username: "ada", password: mistyped }
    const answer = await call(step, "POST", "/login", { body, expect: 401, error: "invalid_credentials" })
    refusal = answer.body
    step.expect("sessions", await keycloak.sessionsOf(subject), 0)
    step.tell("Keycloak", "no session")
  })
  await step("Somebody unknown tries: to the letter the same answer", async step => {
    const sent = { username: "nobody", password: mistyped }
    const { body } = await call(step, "POST", "/login", { body: sent, expect: 401, error: "invalid_credentials" })
    step.expect("answer", body, refusal)
  })
  await step("Ada logs in", async step => {
    const { username, password } = ada
    const { body } = await call(step, "POST", "/login", { body: { username, password }, expect: 200 })
    adaToken = String(body.access_token)
    refreshToken = String(body.refresh_token)
    step.expect("sessions", await keycloak.sessionsOf(subject), 1)
    step.tell("Keycloak", "one session")
  })

  chapter("Who may see what")
  await step("An open page, without a token", async step => {
    const { body } = await call(step, "GET", "/", { expect: 200 })
    step.expect("greeting", body, { hello: "stranger" })
  })
  await step("The same page, with one", async step => {
    const { body } = await call(step, "GET", "/", { token: ["Ada's access token", adaToken], expect: 200 })
    step.expect("greeting", body, { hello: "ada" })
  })
  await step("A guarded page, without a token", async step => {
    await call(step, "GET", "/me", { expect: 401, error: "credentials_missing" })
  })
  await step("The same page, with one: the application's own row", async step => {
    const { body } = await call(step, "GET", "/me", { token: ["Ada's access token", adaToken], expect: 200 })
    const [row] = await rowsNamed("ada")
    step.expect("row", [body.id, body.username, body.email], [row?.id, "ada", ada.email])
    step.tell("database", describe(row))
  })
  await step("A page for editors: Ada is none", async step => {
    await call(step, "GET", "/editor", {
      token: ["Ada's access token", adaToken],
      expect: 403,
      error: "insufficient_scope",
    })
  })
  let edithToken = ""
  await step("Edith, whose account is older than this application, logs in", async step => {
    const { body } = await call(step, "POST", "/login", { body: edith, expect: 200 })
    edithToken = String(body.access_token)
    step.expect("rows", await rowsNamed("edith"), [])
    step.tell("database", "no row of her yet: her first request will make one")
  })
  await step("The page for editors: her group in Keycloak gives her the role", async step => {
    await call(step, "GET", "/editor", { token: ["Edith's access token", edithToken], expect: 200 })
    const rows = await rowsNamed("edith")
    step.expect("rows", rows.length, 1)
    step.tell("database", `a new row: ${describe(rows[0])}`)
  })

  chapter("Tokens that open no door")
  await step("Edith's ID token: true and signed, but meant for reading, not for asking", async step => {
    const idToken = await idTokenOf(keycloak)
    await call(step, "GET", "/me", { token: ["Edith's ID token", idToken], expect: 401, error: "invalid_token" })
  })
  await step("Ada's refresh token", async step => {
    await call(step, "GET", "/me", {
      token: ["Ada's refresh token", refreshToken],
      expect: 401,
      error: "invalid_token",
    })
  })
  await step("Ada's token, made out to Edith; on the open page too, for bad is not absent", async step => {
    const forged = madeOutTo(edithToken, adaToken)
    await call(step, "GET", "/", { token: ["a forged access token", forged], expect: 401, error: "invalid_token" })
  })

  chapter("A session, and its end")
  await step("Ada's application renews her tokens", async step => {
    const sent = { refresh_token: refreshToken }
    const { body } = await call(step, "POST", "/refresh", { body: sent, expect: 200 })
    refreshToken = String(body.refresh_token)
    step.expect("sessions", await keycloak.sessionsOf(subject), 1)
    step.tell("Keycloak", "the same one session")
  })
  await step("She logs out", async step => {
    await call(step, "POST", "/logout", { body: { refresh_token: refreshToken }, expect: 204 })
    step.expect("sessions", await keycloak.sessionsOf(subject), 0)
    step.tell("Keycloak", "no session")
  })
  await step("Somebody finds her refresh token afterwards", async step => {
    const sent = { refresh_token: refreshToken }
    await call(step, "POST", "/refresh", { body: sent, expect: 401, error: "session_ended" })
  })

  chapter("A second process of the same application")
  await step("It has seen nobody yet, and finds Edith's row", async step => {
    const second = await scene.startSecondProcess()
    try {
      step.tell("process", `the second one listens on ${second.url}`)
      const token = ["Edith's access token", edithToken] as const
      const { body } = await call(step, "GET", "/me", { token, expect: 200, url: second.url })
      const rows = await rowsNamed("edith")
      step.expect("rows", [rows.length, body.id], [1, rows[0]?.id])
      step.tell("database", `still one row of her: ${describe(rows[0])}`)
    } finally {
      await second.close()
    }
  })

  if (!keycloak.isOurs) {
    narrator.say("Left out: how Keycloak goes down and comes back. It was running before, so it is not stopped.\n")
    return
  }

  chapter("Keycloak goes down")
  await keycloak.stop()
  await step("Who is logged in goes on working: the keys are known", async step => {
    step.expect("somebody listens", await isThere(keycloak), false)
    step.tell("Keycloak", "stopped; nobody listens at its address")
    const { body } = await call(step, "GET", "/me", { token: ["Edith's access token", edithToken], expect: 200 })
    step.expect("who", body.username, "edith")
  })
  await step("Logging in has to wait: 503, and nobody is told that the password is wrong", async step => {
    await call(step, "POST", "/login", { body: edith, expect: 503, error: "keycloak_unavailable" })
  })

  chapter("Keycloak comes back, with an empty database and new keys")
  await keycloak.startAgain()
  let newToken = ""
  await step("Logging in works again, without a restart of ours", async step => {
    const { body } = await call(step, "POST", "/login", { body: edith, expect: 200 })
    newToken = String(body.access_token)
  })
  await step("The new keys are found. Her account is a new one, so its row is too", async step => {
    await call(step, "GET", "/me", { token: ["Edith's new access token", newToken], expect: 200 })
    const rows = await rowsNamed("edith")
    step.expect("rows", rows.length, 2)
    step.expect("different people", rows[0]?.subject === rows[1]?.subject, false)
    step.tell("database", `${rows.map(describe).join("; ")}: one name, two subjects, so never one row`)
  })
  await step("A token of before is worth nothing", async step => {
    await call(step, "GET", "/me", {
      token: ["Edith's old access token", edithToken],
      expect: 401,
      error: "invalid_token",
    })
  })
}

interface Call {
  readonly body?: unknown
  /** What the story calls it, and the token itself. */
  readonly token?: readonly [name: string, token: string]
  readonly expect: number
  /** The `error` that a refusal has to name. */
  readonly error?: string
  /** Another process than the first. */
  readonly url?: string
}

/** Sends a request to the application, tells it with its answer and the application's log, and holds it to that. */
function caller({ url: firstProcess, heard }: Scene) {
  return async (step: Step, method: string, path: string, { body, token, expect, error, url = firstProcess }: Call) => {
    step.request({ method, path, token: token?.[0], body })
    heard()
    const started = performance.now()
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token[1]}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const milliseconds = Math.round(performance.now() - started)
    const answered: Record<string, unknown> | null = text.startsWith("{") ? JSON.parse(text) : null
    const challenge = response.headers.get("www-authenticate")
    step.answer({ status: response.status, milliseconds, challenge, body: answered })
    for (const event of heard()) {
      if (event.type === "refusal") step.tell("our log", event.error.message)
    }
    step.expect("status", response.status, expect)
    step.expect("error", answered?.error, error)
    return { body: answered ?? {} }
  }
}

/** Edith's ID token, got from Keycloak itself: the application hands none out. */
async function idTokenOf({ url }: DemoKeycloak): Promise<string> {
  const secret = { client_id: client.clientId, client_secret: client.clientSecret }
  const response = await fetch(`${url}/realms/${client.realm}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "password", ...secret, ...edith, scope: "openid" }),
  })
  return ((await response.json()) as { id_token: string }).id_token
}

function isThere({ url }: DemoKeycloak): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  )
}

function nameOf({ subject, username, email }: Row) {
  return { subject, username, email }
}

function describe(row: Row | undefined): string {
  return row === undefined ? "none" : `id ${row.id}, ${row.username}, ${row.first_name} ${row.last_name}`
}

/** A token that claims another one's subject, under the signature that it had before. */
function madeOutTo(other: string, token: string): string {
  const [header, payload = "", signature] = token.split(".")
  const claimsIn = (part = "") => JSON.parse(Buffer.from(part, "base64url").toString())
  const claims = { ...claimsIn(payload), sub: claimsIn(other.split(".")[1]).sub }
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`
}
