import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { startTestRealm } from "../../src/testing/index.js"
import { describeAccountSessions } from "../contracts/account-sessions.ts"
import { answerWith } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

describeAccountSessions("the test realm", {
  async open(file) {
    const { url, name, stop } = await startTestRealm({ realm: file, clientId: "gate-app" })
    return { url, realm: name, close: stop }
  },
})

const { password, email } = secrets
const json = (status: number, body: unknown) =>
  answerWith({ status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
const ofSessions = /^GET .*\/sessions$/
const deletion = /^DELETE .*\/sessions\//

describe("sessions and endSession", () => {
  let realm: FaultyRealm
  let gate: Gate<null>
  let subject: string
  let username: string
  let count = 0
  beforeEach(async () => {
    realm = await startFaultyRealm()
    gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
    username = `grace-${count++}`
    subject = realm.addUser({ username, email: `${username}.${email}`, password }).id
    await gate.loginWithPassword({ username, password })
  })
  afterEach(async () => {
    await gate.close()
    await realm.close()
  })
  const idOfSession = async () => (await gate.sessions(subject))[0]?.id ?? ""

  it("calls a session that ended a moment ago no error", async () => {
    const id = await idOfSession()
    realm.breakWith(json(404, { error: "Sesssion not found" }), { at: deletion })
    await gate.endSession(subject, id)
  })

  it("ends it with the next try where the first one was lost", async () => {
    const id = await idOfSession()
    realm.breakWith(json(503, {}), { at: deletion, times: 1 })
    await gate.endSession(subject, id)
    expect(await gate.sessions(subject)).toEqual([])
  })

  it("refuses its tokens here even where Keycloak could not be asked to end it", async () => {
    const id = await idOfSession()
    const token = `Bearer ${await realm.issueToken(username, { sid: id })}`
    await gate.verifyBearer(token, {})
    realm.breakWith(json(503, {}), { at: deletion })
    expect((await refusalOf(gate.endSession(subject, id))).code).toBe("keycloak_unavailable")
    expect((await refusalOf(gate.verifyBearer(token, {}))).reason).toBe("revoked")
  })

  it.each([[null], ["text"], [{ id: 1 }], [{ id: "s-1" }], [{ id: "s-1", start: "now", lastAccess: 1 }]])(
    "is keycloak_unavailable for a list of what is no session: %j",
    async item => {
      realm.breakWith(json(200, [item]), { at: ofSessions })
      expect((await refusalOf(gate.sessions(subject))).code).toBe("keycloak_unavailable")
    },
  )

  it.each([undefined, null, "", " ", 7, "a\nb", "x".repeat(256)])("sends nothing for the id %j", async id => {
    await gate.sessions(subject)
    const before = realm.requests()
    const refusal = await refusalOf(gate.endSession(subject, id as string))
    expect(refusal).toMatchObject({ code: "invalid_request", fields: [{ field: "id" }] })
    expect(realm.requests()).toBe(before)
  })

  it("ends a session whose id is a step in a path nowhere else", async () => {
    await idOfSession()
    realm.breakWith(json(200, [{ id: "..", start: 1, lastAccess: 1 }]), { at: ofSessions })
    expect((await refusalOf(gate.endSession(subject, ".."))).code).toBe("keycloak_unavailable")
    expect(realm.requests(/^DELETE/)).toBe(0)
  })

  it("shows a session without an address, and an offline one of two clients once", async () => {
    const of = (clientId: string, lastAccess: number) => [
      { id: "s-1", start: 1000, lastAccess, clients: { [clientId]: clientId } },
    ]
    realm.breakWith(json(200, []), { at: ofSessions })
    realm.breakWith(json(200, [{ additionalGrants: [{ client: "one" }, { client: "two" }] }]), { at: /\/consents$/ })
    realm.breakWith(json(200, of("web", 3000)), { at: /\/offline-sessions\/one$/ })
    realm.breakWith(json(200, of("app", 2000)), { at: /\/offline-sessions\/two$/ })
    expect(await gate.sessions(subject)).toEqual([
      {
        id: "s-1",
        startedAt: new Date(1000),
        lastSeenAt: new Date(3000),
        ipAddress: null,
        clients: ["app", "web"],
        offline: true,
      },
    ])
  })
})
