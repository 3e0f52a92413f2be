import { afterEach, describe, expect, it } from "vitest"
import { GateError } from "../../src/errors.js"
import { gateInternals, recallBy } from "../../src/gate-internals.js"
import { createGate, type Gate, type GateEvent } from "../../src/index.js"
import { openShop } from "../support/shop.ts"

const open: Gate<null>[] = []
const events: GateEvent[] = []
afterEach(async () => {
  events.length = 0
  for (const one of open.splice(0)) await one.close()
})

/** A gate that remembers the token in this header. */
async function makeGate() {
  const realm = await openShop()
  const gate = createGate({
    serverUrl: realm.url,
    realm: "shop",
    clientId: "shop-api",
    onEvent: event => events.push(event),
  })
  open.push(gate)
  const header = `Bearer ${await realm.issueToken("ada")}`
  const principal = await gate.verifyBearer(header)
  return { gate, header, principal }
}

describe("the internals of a gate", () => {
  it("recall whom the gate has verified, for a copy of the gate too", async () => {
    const { gate, header, principal } = await makeGate()
    expect(recallBy(gate, header)).toBe(principal)
    expect(recallBy({ ...gate }, header)).toBe(principal)
    expect(recallBy(gate, `${header}x`)).toBeNull()
  })

  it("recall nobody where another function stands in the place of verifyBearer: it is asked about every request", async () => {
    const { gate, header } = await makeGate()
    const verifyBearer = async () => null
    expect(recallBy({ ...gate, verifyBearer }, header)).toBeNull()
    expect(recallBy(Object.create(gate, { verifyBearer: { value: verifyBearer } }), header)).toBeNull()
  })

  it("tell the gate's onEvent what a guard refuses", async () => {
    const { gate } = await makeGate()
    const error = new GateError("credentials_missing", "refused")
    gateInternals(gate)?.report(error)
    expect(events).toEqual([{ type: "refusal", error }])
  })

  it("are found by a name that all copies of the library know", async () => {
    const { gate } = await makeGate()
    expect(Reflect.get(gate, Symbol.for("keycloak-gate.internals"))).toBe(gateInternals(gate))
  })

  it.each([null, undefined, 5, {}, async () => null])("are absent from %o", value => {
    expect(gateInternals(value)).toBeNull()
  })
})
