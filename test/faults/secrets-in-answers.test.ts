import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { answerRaw, answerWith, hangInBody, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import type { Fault } from "../support/faulty-server.ts"
import { secrets, secretsIn } from "../support/refusal-of.ts"
import { forge } from "../support/sign-by-hand.ts"

let realm: FaultyRealm
beforeEach(async () => {
  realm = await startFaultyRealm()
})
afterEach(() => realm.close())

const { email, password } = secrets
const person = {
  username: "lovelace",
  email,
  firstName: "Ada",
  lastName: "Lovelace",
  password,
}

const text = `${email} ${password} eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl`
const http = (head: string, body = "{}") => answerRaw(`HTTP/1.1 ${head}\r\n\r\n${body}`)
/** Whatever answers says in each of its members what it was sent. */
const echo =
  (status: number, headers = {}): Fault =>
  ({ call, send }) => {
    const sent = `${decodeURIComponent(call.body.toString().replaceAll("+", " "))} ${call.headers.authorization} ${text}`
    const errors = [{ field: sent, errorMessage: sent, params: [sent] }]
    const body = {
      error: sent,
      error_description: sent,
      errorMessage: sent,
      field: sent,
      errors,
      id: sent,
      issuer: sent,
    }
    send({ status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) })
  }

const faults: readonly (readonly [string, Fault | null])[] = [
  ["is down", null],
  ["resets", reset],
  ["hangs in the body", hangInBody],
  ...[200, 400, 401, 403, 404, 409, 500].map(
    status => [`answers ${status} with what it was sent`, echo(status)] as const,
  ),
  ...[200, 400, 401, 500].map(
    status => [`answers ${status} with half a text`, answerWith({ status, body: `{"message": "${text}` })] as const,
  ),
  ["answers 200 with a web page", answerWith({ status: 200, body: `<h1>${text}</h1>` })],
  [
    "answers 302 to an address",
    answerWith({ status: 302, headers: { location: `https://a.test/?${encodeURI(text)}` } }),
  ],
  ["answers 302 to no address", answerWith({ status: 302, headers: { location: `http://${text}@[` } })],
  ["answers 401 with a challenge", echo(401, { "www-authenticate": `Bearer error="${text}"` })],
  ["sends a header that is none", http(`200 OK\r\nNo Header: ${text}`)],
  ["sends a control character in a header", http(`200 OK\r\nX-Token: \x01${text}`)],
  ["sends headers without end", http(`200 OK\r\nX-Token: ${text.repeat(300)}`)],
  ["sends a length that is no number", http(`200 OK\r\nContent-Length: ${text}`)],
  ["sends two lengths", http("200 OK\r\nContent-Length: 2\r\nContent-Length: 3", text)],
  ["sends less than it says", http("200 OK\r\nContent-Length: 9999", `{"access_token":"${text}`)],
  ["sends a chunk that is none", http("200 OK\r\nTransfer-Encoding: chunked", text)],
  ["sends more than its chunk", http("200 OK\r\nTransfer-Encoding: chunked", `2\r\n{}${text}`)],
  ["sends more than its answer", http("200 OK\r\nContent-Length: 2", `{}${text}`)],
  ["sends what is not compressed", http("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99", text.padEnd(99))],
  ["sends a status that is none", http(`999 ${text}`)],
  ["sends a status without a body, and a body", http("205 Reset\r\nContent-Length: 99", text.padEnd(99))],
  ["changes the protocol", http(`101 Switching\r\nUpgrade: ${text}\r\nConnection: upgrade`)],
  ["speaks HTTP/2", answerRaw(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${text}`)],
  ["speaks something else", answerRaw(`SSH-2.0-${text}\r\n`)],
]

/** What every verb is refused with, and what is told of it. */
async function refuseAll(): Promise<readonly unknown[]> {
  const told: unknown[] = []
  const access = await realm.mint()
  const forged = forge(access, `${email}-${Math.random()}`)
  const refresh = await realm.mint({ typ: "Refresh", email })
  const refused = async (work: Promise<unknown>) => told.push(await work.catch((error: unknown) => error))
  const gates = (["local", "introspection", "userinfo"] as const).map(verification =>
    createGate({
      ...realm.gateOptions,
      timeoutMs: 300,
      verification,
      userStore: memoryUserStore(),
      onEvent: event => told.push(event),
    }),
  )
  const verifying = gates.map(async one => {
    await refused(one.verifyBearer(`Bearer ${access}`))
    await refused(one.verifyBearer(`Bearer ${forged}`))
    await refused(one.registerUser(person))
    await refused(one.ready())
  })
  const [one] = gates as [Gate<MemoryUser>]
  const accountCalls = [
    one.loginWithPassword(person),
    one.refreshSession(refresh),
    one.logout(refresh),
    one.updateAccount("s-1", { email, attributes: { phone: email } }),
    one.setPassword("s-1", password),
    one.changePassword({ username: email, currentPassword: password, newPassword: password }),
    one.sendPasswordReset(email),
    one.sendEmailVerification("s-1"),
    one.disableAccount("s-1"),
    one.logoutEverywhere("s-1"),
    one.deleteAccount("s-1"),
  ]
  await Promise.all([...verifying, ...accountCalls.map(refused)])
  await Promise.all(gates.map(closing => closing.close()))
  return told
}

/** Of what a verb has settled to: an error, or an event about one. */
const isError = (one: unknown) => one instanceof Error || (typeof one === "object" && one !== null && "error" in one)

describe("no error of any verb, and no event, shows a secret", () => {
  it.each(faults)("when Keycloak %s", async (_, fault) => {
    if (fault === null) await realm.goDown()
    else realm.breakWith(fault)
    const told = await refuseAll()
    expect(told.filter(one => one instanceof Error).length).toBeGreaterThan(10)
    for (const one of told) expect(secretsIn(one)).toEqual([])
  })

  it.each(faults.slice(1))("when Keycloak logs us in, and its Admin API %s", async (_, fault) => {
    if (fault !== null) realm.breakWith(fault, { at: /^[A-Z]+ \/admin\// })
    for (const one of await refuseAll()) if (isError(one)) expect(secretsIn(one)).toEqual([])
  })
})
