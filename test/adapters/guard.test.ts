import { describe, expect, it } from "vitest"
import { admit, answerTo, createMount, readPrincipal } from "../../src/adapters/guard.js"
import type { Gate } from "../../src/gate.js"
import { createGate } from "../../src/index.js"
import type { VerifyBearer } from "../../src/verify/verify-bearer.js"

const realGate = createGate({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" })

/** A gate that only remembers which header values it was asked about. */
function makeGate() {
  const asked: unknown[] = []
  const verifyBearer = (async (authorization: unknown) => {
    asked.push(authorization)
    return null
  }) as VerifyBearer<never>
  const gate: Gate<unknown> = { ...realGate, verifyBearer }
  return { gate, asked }
}

describe("admit", () => {
  it("asks about every value that came over the wire, in whatever case the name was sent", async () => {
    const { gate, asked } = makeGate()
    const rawHeaders = ["Authorization", "a", "Cookie", "authorization", "AUTHORIZATION", "b"]
    await admit({}, { rawHeaders, headers: { authorization: "a" } }, createMount(gate, {}))
    expect(asked).toEqual([["a", "b"]])
  })

  it("asks about the parsed header where a host gives no raw ones", async () => {
    const { gate, asked } = makeGate()
    await admit({}, { headers: { authorization: "a" } }, createMount(gate, {}))
    await admit({}, { rawHeaders: [], headers: { authorization: "b" } }, createMount(gate, {}))
    await admit({}, { rawHeaders: ["Host", "authorization"], headers: {} }, createMount(gate, {}))
    expect(asked).toEqual(["a", "b", undefined])
  })

  it("takes the principal of an earlier gate away before it asks", async () => {
    const { gate } = makeGate()
    const carrier = { principal: "of another gate" }
    const failing = { ...gate, verifyBearer: (() => Promise.reject(new Error("refused"))) as VerifyBearer<never> }
    await expect(admit(carrier, { headers: {} }, createMount(failing, {}))).rejects.toThrow()
    expect(carrier.principal).toBeNull()
  })
})

describe("answerTo", () => {
  it("leaves an error that is not this library's to the framework, gate or no gate", async () => {
    const carrier = {}
    expect(answerTo(new Error("theirs"), carrier)).toBeNull()
    await admit(carrier, { headers: {} }, createMount(makeGate().gate, {}))
    expect(answerTo(new Error("theirs"), carrier)).toBeNull()
  })
})

describe("readPrincipal", () => {
  it("throws config_invalid for a kind that does not exist", async () => {
    const carrier = {}
    await admit(carrier, { headers: {} }, createMount(makeGate().gate, {}))
    expect(() => readPrincipal(carrier, "usr" as "user")).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })
})
