import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createGate, type Gate, type GateOptions } from "../../src/index.js"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

type Event = Parameters<NonNullable<GateOptions<never>["onEvent"]>>[0]

let realm: FaultyRealm
const gates: Gate<null>[] = []
beforeEach(async () => {
  realm = await startFaultyRealm()
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const gate of gates.splice(0)) gate.close()
  await realm.close()
})

function makeGate(onEvent?: (event: Event) => void): Gate<null> {
  const gate = createGate({ ...realm.gateOptions, onEvent })
  gates.push(gate)
  return gate
}

/** One refusal of each kind that somebody should mend, and of some that nobody can. */
async function refuseAll(gate: Gate<null>): Promise<void> {
  const elsewhere = await realm.mint({ iss: "https://elsewhere.example.test/realms/shop" })
  const audience = await realm.mint({ aud: "account" })
  const expired = await realm.mint({ exp: 1 })
  for (const token of [elsewhere, audience, expired]) await refusalOf(gate.verifyBearer(`Bearer ${token}`))
  await refusalOf(gate.verifyBearer(null, {}))
  await refusalOf(gate.loginWithPassword({ username: "", password: secrets.password }))
  await realm.goDown()
  await refusalOf(gate.loginWithPassword({ username: "ada", password: secrets.password }))
  await realm.heal()
}

describe("onEvent", () => {
  it("hears each refusal as the very error that was thrown, with its message", async () => {
    const heard: Event[] = []
    const gate = makeGate(event => heard.push(event))
    const error = await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint({ aud: "account" })}`))
    expect(heard).toEqual([{ type: "refusal", error }])
    expect(heard[0]).toHaveProperty("error.message", error.message)
    expect(error.message).toContain("audience")
    await refuseAll(gate)
    expect(heard.slice(1).map(event => "error" in event && [event.error.code, event.error.reason])).toEqual([
      ["invalid_token", "issuer"],
      ["invalid_token", "audience"],
      ["invalid_token", "expired"],
      ["credentials_missing", undefined],
      ["invalid_request", undefined],
      ["keycloak_unavailable", undefined],
    ])
  })

  it("hears nothing of what went well, nor of calls after close()", async () => {
    const heard: Event[] = []
    const gate = makeGate(event => heard.push(event))
    await gate.verifyBearer(`Bearer ${await realm.mint()}`)
    expect(await gate.verifyBearer(null)).toBeNull()
    gate.close()
    await refusalOf(gate.verifyBearer(null))
    expect(heard).toEqual([])
  })

  it("changes no outcome when it throws; its error reaches the process as a warning", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const failure = new Error("the log is full")
    const gate = makeGate(() => {
      throw failure
    })
    const error = await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint({ aud: "account" })}`))
    expect(error).toMatchObject({ code: "invalid_token", reason: "audience" })
    await gate.verifyBearer(`Bearer ${await realm.mint()}`, {})
    expect(warned.mock.calls).toEqual([[failure]])
  })
})

describe("without onEvent", () => {
  it("each kind of what somebody should mend is warned of once, however often it happens", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const gate = makeGate()
    await refuseAll(gate)
    await refuseAll(gate)
    const codes = warned.mock.calls.map(([, options]) => (options as { code?: string }).code)
    expect(codes).toEqual(["invalid_token:issuer", "invalid_token:audience", "keycloak_unavailable"])
  })

  it("a second gate of the process does not repeat what the first has warned of", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    await refuseAll(makeGate())
    warned.mockClear()
    await refuseAll(makeGate())
    expect(warned.mock.calls).toEqual([])
  })
})
