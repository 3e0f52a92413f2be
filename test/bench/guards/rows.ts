import type { RequestListener } from "node:http"
import express from "express"
import { cachedUserStore, createGate, type Gate, type RegisteredUser, type UserStore } from "keycloak-gate"
import { authenticate, requireUser } from "keycloak-gate/express"
import { createPostgresPool, createPostgresStore } from "../../../examples/stores/postgres.ts"
import type { TokenSet } from "../token-set.ts"
import { expressWith } from "./express.ts"

// The address of the table, which the benchmark has made.
const openStore = () => createPostgresStore(createPostgresPool(process.env.BENCH_PG_URL ?? ""))

/** The person of all tokens, looked up on each request, whoever asks. */
export async function rowAlone(tokens: TokenSet): Promise<RequestListener> {
  const userStore = openStore()
  const identity = { issuer: tokens.issuer, subject: subjectIn(tokens.authorization(0)) }
  const nothing = { username: "ada", email: null, emailVerified: false, firstName: null, lastName: null, custom: {} }
  await userStore.saveUser({ ...identity, ...nothing, asOf: new Date(0) })
  const app = express()
  app.get("/me", async (_request, response) => {
    if ((await userStore.findUser(identity)) === null) throw new Error("there is no row")
    response.send("ok")
  })
  return app
}

export function guardedWithRow(tokens: TokenSet): RequestListener {
  return guardedWith(tokens, openStore())
}

export function guardedWithRememberedRow(tokens: TokenSet): RequestListener {
  return guardedWith(tokens, cachedUserStore(openStore(), { seconds: 3600 }))
}

function guardedWith<User>({ serverUrl, realm, audience }: TokenSet, userStore: UserStore<User>): RequestListener {
  const gate: Gate<unknown> = createGate({ serverUrl, realm, clientId: audience, userStore, onEvent: () => {} })
  return expressWith(authenticate(gate as Gate<RegisteredUser>), requireUser())
}

function subjectIn(authorization: string): string {
  return JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString()).sub
}
