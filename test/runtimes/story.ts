/** What every run-time has to do with the packed package, as text: it must not be compiled for one of them. */

/** Registers, logs in, verifies, and is refused; `guarded` is the framework's part, where there is one. */
const tellStory = `
async function tellStory({ createGate, memoryUserStore, isGateError }, gateOptions, guarded) {
  const gate = createGate({ ...gateOptions, userStore: memoryUserStore(), onEvent() {} })
  const refusal = error => isGateError(error) ? [error.code, error.reason].join(" ").trim() : String(error)
  const name = "u" + Math.random().toString(36).slice(2)
  const person = { username: name, email: name + "@shop.example", firstName: "Ada", lastName: "Lovelace" }
  const { subject } = await gate.registerUser({ ...person, password: "Lovelace-1815" })
  const session = await gate.loginWithPassword({ username: name, password: "Lovelace-1815" })
  const authorization = "Bearer " + session.accessToken
  const principal = await gate.verifyBearer(authorization, {})
  const renewed = await gate.refreshSession(session.refreshToken)
  const told = {
    verified: principal.subject === subject && principal.user.username === name,
    refreshed: (await gate.verifyBearer("Bearer " + renewed.accessToken, {})).subject === subject,
    twice: await gate.registerUser({ ...person, password: "Lovelace-1815" }).catch(refusal),
    wrongPassword: await gate.loginWithPassword({ username: name, password: "wrong" }).catch(refusal),
    badToken: await gate.verifyBearer(authorization.slice(0, -9) + "AAAAAAAAA").catch(refusal),
    lacking: await gate.verifyBearer(authorization, { realmRoles: ["nobody-has-it"] }).catch(refusal),
    guarded: guarded === undefined ? null : await guarded(gate, authorization),
  }
  await gate.setPassword(subject, "Lovelace-1816")
  told.newPassword = typeof (await gate.loginWithPassword({ username: name, password: "Lovelace-1816" })).accessToken
  await gate.close()
  return told
}
`

const guardedByExpress = `
async function guarded(gate, authorization) {
  const app = express()
  app.use(authenticate(gate)).get("/me", requireUser(), (request, response) => response.json(principalOf(request).username))
  const server = await new Promise(resolve => { const made = app.listen(0, "127.0.0.1", () => resolve(made)) })
  const url = "http://127.0.0.1:" + server.address().port + "/me"
  const answers = [await fetch(url), await fetch(url, { headers: { authorization } })]
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  return answers.map(({ status }) => status)
}
`

/** What the story tells where all is well. */
export const wellTold: Readonly<Record<string, unknown>> = {
  verified: true,
  refreshed: true,
  twice: "user_exists",
  wrongPassword: "invalid_credentials",
  badToken: "invalid_token signature",
  lacking: "insufficient_scope",
  guarded: [401, 200],
  newPassword: "string",
}

const printed = `
tellStory(library, JSON.parse(process.env.GATE_OPTIONS), guarded).then(told => console.log(JSON.stringify(told)))
`

/** Programs that print the story; the realm comes from the environment. */
export const esmProgram: string = `
import express from "express"
import * as library from "keycloak-gate"
import { authenticate, principalOf, requireUser } from "keycloak-gate/express"
${tellStory} ${guardedByExpress} ${printed}`

export const commonJsProgram: string = `
const express = require("express")
const library = require("keycloak-gate")
const { authenticate, principalOf, requireUser } = require("keycloak-gate/express")
${tellStory} ${guardedByExpress} ${printed}`

/** A Worker that answers with the story, and with what a token in the request is worth. */
export const worker: string = `
import * as library from "keycloak-gate"
${tellStory}
export default {
  async fetch(request, env) {
    async function guarded(gate, authorization) {
      const asked = headers => new Request("http://worker.example", { headers })
      const requests = [asked({}), asked({ authorization })]
      return Promise.all(requests.map(one => gate.verifyBearer(one.headers.get("authorization"), {}).then(
        () => 200, error => gate.refusalFor(error).status)))
    }
    try {
      return Response.json(await tellStory(library, env.GATE_OPTIONS, guarded))
    } catch (error) {
      return new Response(String(error.stack) + String(error.cause), { status: 500 })
    }
  },
}
`

/** A test for any runner with \`it\` and a realm of its own, as applications have it. */
const testOfStory = `
it("tells the story", async () => {
  const realm = await startTestRealm()
  const told = await tellStory(library, realm.gateOptions, undefined)
  await realm.stop()
  const wanted = ${JSON.stringify({ ...wellTold, guarded: null })}
  if (JSON.stringify(told) !== JSON.stringify(wanted)) throw new Error(JSON.stringify(told))
})
`

export const commonJsTest: string = `
const library = require("keycloak-gate")
const { startTestRealm } = require("keycloak-gate/testing")
${tellStory} ${testOfStory}`

export function esmTest(header: string): string {
  return `
${header}
import * as library from "keycloak-gate"
import { startTestRealm } from "keycloak-gate/testing"
${tellStory} ${testOfStory}`
}

/** With types, checked by the runner that compiles it. */
export const typeScriptTest: string = `
import { createGate, GateError, memoryUserStore, type Session } from "keycloak-gate"
import { startTestRealm } from "keycloak-gate/testing"
import { requireUser } from "keycloak-gate/express"

it("registers, logs in, verifies and refuses", async () => {
  const realm = await startTestRealm()
  const gate = createGate({ ...realm.gateOptions, userStore: memoryUserStore() })
  const person = { username: "ada", email: "ada@shop.example", firstName: "Ada", lastName: "Lovelace" }
  const { subject } = await gate.registerUser({ ...person, password: "Lovelace-1815" })
  const session: Session = await gate.loginWithPassword({ username: "ada", password: "Lovelace-1815" })
  expect((await gate.verifyBearer(\`Bearer \${session.accessToken}\`, {})).subject).toBe(subject)
  await expect(gate.verifyBearer("Bearer x.y.z")).rejects.toBeInstanceOf(GateError)
  expect(typeof requireUser()).toBe("function")
  await gate.close()
  await realm.stop()
})
`
