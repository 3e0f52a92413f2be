import { describe, expectTypeOf, it } from "vitest"
import { GateError, type GateErrorCode, type GateErrorDetails, isGateError } from "../../src/index.js"

declare const thrown: unknown

describe("GateError", () => {
  it("is made of a code that exists, a message and details", () => {
    const details: GateErrorDetails = { retryAfterSeconds: 7, fields: [{ field: "a", rule: "b", params: [1] }] }
    expectTypeOf(new GateError("insufficient_scope", "for the log", details).code).toEqualTypeOf<GateErrorCode>()
    // @ts-expect-error: there is no such code
    new GateError("forbidden", "for the log")
    // @ts-expect-error: there is no such detail
    new GateError("closed", "for the log", { status: 403 })
    // @ts-expect-error: a message for the log
    new GateError("closed")
  })

  it("is read-only", () => {
    // @ts-expect-error
    new GateError("closed", "for the log").status = 200
  })

  it("is told by instanceof as by isGateError", () => {
    if (isGateError(thrown)) expectTypeOf(thrown).toEqualTypeOf<GateError>()
    if (thrown instanceof GateError) expectTypeOf(thrown.retryAfterSeconds).toEqualTypeOf<number | null>()
  })

  it("is no wider than what another copy of the library declares: nothing in it is private or unique", () => {
    // What a second declaration of the class looks like to the compiler: its public members, and no more.
    type Declared = { readonly [Member in keyof GateError]: GateError[Member] }
    expectTypeOf<Declared>().toExtend<GateError>()
  })
})
