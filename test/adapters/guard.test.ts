import { describe, expect, it } from "vitest"
import {
  admit,
  answerTo,
  type Carried,
  type Carrier,
  createGuard,
  createMount,
  onProperties,
  readPrincipal,
} from "../../src/adapters/guard.js"
import type { Gate } from "../../src/gate.js"
import { createGate } from "../../src/index.js"
import type { VerifyBearer } from "../../src/verify/verify-bearer.js"

const realGate = createGate({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" })

const own = onProperties((request: object) => request)

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
    await admit(own, {}, { rawHeaders, headers: { authorization: "a" } }, createMount(gate, {}))
    expect(asked).toEqual([["a", "b"]])
  })

  it("asks about the parsed header where a host gives no raw ones", async () => {
    const { gate, asked } = makeGate()
    await admit(own, {}, { headers: { authorization: "a" } }, createMount(gate, {}))
    await admit(own, {}, { rawHeaders: [], headers: { authorization: "b" } }, createMount(gate, {}))
    await admit(own, {}, { rawHeaders: ["Host", "authorization"], headers: {} }, createMount(gate, {}))
    expect(asked).toEqual(["a", "b", undefined])
  })

  it("takes the principal of an earlier gate away before it asks", async () => {
    const { gate } = makeGate()
    const carrier = { principal: "of another gate" }
    const failing = { ...gate, verifyBearer: (() => Promise.reject(new Error("refused"))) as VerifyBearer<never> }
    await expect(admit(own, carrier, { headers: {} }, createMount(failing, {}))).rejects.toThrow()
    expect(carrier.principal).toBeNull()
  })
})

describe("answerTo", () => {
  it("leaves an error that is not this library's to the framework, gate or no gate", async () => {
    const carrier = {}
    expect(answerTo(own, carrier, new Error("theirs"))).toBeNull()
    await admit(own, carrier, { headers: {} }, createMount(makeGate().gate, {}))
    expect(answerTo(own, carrier, new Error("theirs"))).toBeNull()
  })
})

describe("readPrincipal", () => {
  it("throws config_invalid for a kind that does not exist", async () => {
    const carrier = {}
    await admit(own, carrier, { headers: {} }, createMount(makeGate().gate, {}))
    expect(() => readPrincipal(own, carrier, "usr" as "user")).toThrow(
      expect.objectContaining({ code: "config_invalid" }),
    )
  })
})

describe("a request that takes no properties", () => {
  it("carries what authenticate leaves in a WeakMap", async () => {
    const carried = new WeakMap<Request, Carried>()
    const carrier: Carrier<Request> = {
      get: request => carried.get(request),
      set: (request, what) => void carried.set(request, what),
    }
    const [asked, other] = [new Request("https://shop.example.test/"), new Request("https://shop.example.test/")]
    const guard = createGuard(carrier, {})
    await admit(carrier, asked, { headers: {} }, createMount(makeGate().gate, {}))
    expect(Reflect.ownKeys(asked)).toEqual(Reflect.ownKeys(other))
    expect(() => guard(asked)).toThrow(expect.objectContaining({ code: "credentials_missing" }))
    expect(() => readPrincipal(carrier, other)).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })
})
