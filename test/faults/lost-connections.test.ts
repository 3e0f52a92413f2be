import { connect } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { hangBeforeHeaders, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import type { Fault } from "../support/faulty-server.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { type RawServer, startRawServer } from "../support/raw-server.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

let realm: FaultyRealm
/** In front of it: forgets a connection that was answered once, and resets it at the next packet. */
let balancer: RawServer
const gates: Gate<MemoryUser>[] = []
// Loaded with the first registration, whose time limit would pay for that.
beforeAll(async () => {
  await import("@keycloak/keycloak-admin-client")
})
beforeEach(async () => {
  realm = await startFaultyRealm()
  const port = Number(new URL(realm.url).port)
  balancer = await startRawServer(socket => {
    const upstream = connect(port, "127.0.0.1").on("error", () => socket.destroy())
    let isForgotten = false
    socket.on("data", chunk => (isForgotten ? socket.resetAndDestroy() : upstream.write(chunk)))
    socket.on("close", () => upstream.destroy())
    upstream.on("data", chunk => {
      isForgotten = true
      socket.write(chunk)
    })
  })
})
afterEach(async () => {
  for (const gate of gates.splice(0)) gate.close()
  await balancer.close()
  await realm.close()
})

function makeGate(options: Partial<GateOptions<MemoryUser>> = {}): Gate<MemoryUser> {
  const base = { ...realm.gateOptions, serverUrl: balancer.url, onEvent: () => undefined }
  const gate = createGate({ ...base, ...options, userStore: memoryUserStore() })
  gates.push(gate)
  return gate
}

const ada = { username: "ada", password: secrets.password }
const logIn = () => makeGate({ verification: "userinfo" }).loginWithPassword(ada)
const subjectOfAda = () => realm.users().find(({ username }) => username === "ada")?.id ?? ""

describe("a connection that is reset at its next packet", () => {
  it.each(["introspection", "userinfo"] as const)("costs no answer in the mode %s", async verification => {
    const gate = makeGate({ verification })
    const { accessToken } = await logIn()
    const before = balancer.connections()
    for (let requests = 0; requests < 5; requests++) await gate.verifyBearer(`Bearer ${accessToken}`, {})
    expect(balancer.connections() - before).toBeGreaterThanOrEqual(5)
  })

  it("costs no answer when all connections of a burst are reset", async () => {
    const gate = makeGate({ verification: "introspection" })
    const iss = `${balancer.url}/realms/${realm.gateOptions.realm}`
    const tokens = await Promise.all(Array.from({ length: 20 }, () => realm.mint({ iss })))
    for (let bursts = 0; bursts < 3; bursts++) {
      await Promise.all(tokens.map(token => gate.verifyBearer(`Bearer ${token}`, {})))
      await gate.verifyBearer(`Bearer ${tokens[0]}`, {})
    }
  })

  it("costs no change of an account", async () => {
    const gate = makeGate()
    for (const firstName of ["Augusta", "Ada"]) await gate.updateAccount(subjectOfAda(), { firstName })
    expect(realm.users()).toMatchObject([{ username: "ada", firstName: "Ada" }])
  })
})

describe("a request whose first attempt is reset", () => {
  it.each(["introspection", "userinfo"] as const)(
    "is answered in the mode %s, with two requests",
    async verification => {
      const gate = makeGate({ serverUrl: realm.url, verification })
      await gate.verifyBearer(`Bearer ${await realm.mint()}`, {}) // the keys
      const asked = realm.requests(paths[verification])
      realm.breakWith(reset, { at: paths[verification], times: 1 })
      await gate.verifyBearer(`Bearer ${await realm.mint()}`, {})
      expect(realm.requests(paths[verification]) - asked).toBe(2)
    },
  )

  it("is sent no third time", async () => {
    const gate = makeGate({ serverUrl: realm.url, verification: "introspection" })
    realm.breakWith(reset, { at: paths.introspection })
    expect(await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint()}`))).toMatchObject({ status: 503 })
    expect(realm.requests(paths.introspection)).toBe(2)
  })

  it("takes no longer than one attempt may take, when the second one hangs", async () => {
    const timeoutMs = 1000
    const gate = makeGate({ serverUrl: realm.url, verification: "introspection", timeoutMs })
    const lateReset: Fault = exchange => delay(timeoutMs / 2).then(() => reset(exchange))
    realm.breakWith(lateReset, { at: paths.introspection, times: 1 })
    realm.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const token = await realm.mint()
    const { ms, result } = await inOwnTime(refusalOf(gate.verifyBearer(`Bearer ${token}`)))
    expect(result).toMatchObject({ status: 503 })
    expect(ms).toBeLessThan(1.4 * timeoutMs)
    expect(realm.requests(paths.introspection)).toBe(2)
  })

  it("is sent once where it may not arrive twice: a login counts, and a refresh token may be good for one use", async () => {
    const gate = makeGate({ serverUrl: realm.url })
    const { refreshToken } = await gate.loginWithPassword(ada)
    for (const grant of [() => gate.loginWithPassword(ada), () => gate.refreshSession(refreshToken)]) {
      const asked = realm.requests(paths.token)
      realm.breakWith(reset, { at: paths.token, times: 1 })
      expect(await refusalOf(grant())).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(realm.requests(paths.token) - asked).toBe(1)
    }
  })

  it("is sent once where it sends a mail", async () => {
    const gate = makeGate({ serverUrl: realm.url })
    realm.addUser({ username: "grace", email: secrets.email, password: secrets.password })
    const grace = realm.users().find(({ username }) => username === "grace")?.id ?? ""
    const mails = /^PUT .*send-verify-email$/
    realm.breakWith(reset, { at: mails })
    expect(await refusalOf(gate.sendEmailVerification(grace))).toMatchObject({ status: 503 })
    expect(realm.requests(mails)).toBe(1)
  })
})
