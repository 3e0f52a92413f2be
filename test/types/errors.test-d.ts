import { describe, expectTypeOf, it } from "vitest"
import {
  type AnyGateError,
  type FieldProblem,
  GateError,
  type GateErrorCode,
  type GateErrorDetails,
  type InvalidTokenReason,
  isGateError,
  type RequiredAccess,
  type UnavailableReason,
} from "../../src/index.js"

declare const thrown: unknown

describe("AnyGateError", () => {
  it("is narrowed by its code", () => {
    if (!isGateError(thrown)) return
    expectTypeOf(thrown.code).toEqualTypeOf<GateErrorCode>()
    switch (thrown.code) {
      case "invalid_token":
        expectTypeOf(thrown.reason).toEqualTypeOf<InvalidTokenReason>()
        break
      case "keycloak_unavailable":
        expectTypeOf(thrown.reason).toEqualTypeOf<UnavailableReason | undefined>()
        break
      case "user_exists":
        expectTypeOf(thrown.field).toEqualTypeOf<string | null>()
        break
      case "account_rejected":
        expectTypeOf(thrown.fields).toEqualTypeOf<readonly FieldProblem[]>()
        break
      case "invalid_request":
        expectTypeOf(thrown.fields).toEqualTypeOf<readonly FieldProblem[] | undefined>()
        break
      case "insufficient_scope":
        expectTypeOf(thrown.required).toEqualTypeOf<RequiredAccess | undefined>()
        break
      default:
        expectTypeOf(thrown.code).not.toEqualTypeOf<GateErrorCode>()
        // @ts-expect-error: it was handled above
        if (thrown.code === "user_exists") return
    }
    expectTypeOf(thrown.retryAfterSeconds).toEqualTypeOf<number | null>()
  })

  it("has every code", () => {
    expectTypeOf<AnyGateError["code"]>().toEqualTypeOf<GateErrorCode>()
    const statusOf = (error: AnyGateError): number => {
      switch (error.code) {
        case "closed":
        case "store_unavailable":
        case "keycloak_unavailable":
          return 503
        case "config_invalid":
        case "keycloak_refused_us":
          return 500
        case "credentials_missing":
        case "invalid_token":
        case "invalid_credentials":
        case "session_ended":
          return 401
        case "insufficient_scope":
        case "account_disabled":
        case "account_setup_required":
          return 403
        case "invalid_request":
          return 400
        case "user_exists":
          return 409
        case "account_rejected":
          return 422
        default:
          return error // never
      }
    }
    return statusOf
  })

  it("can be handed on as a GateError, and told apart among other errors", () => {
    const handle = (error: GateError) => error.code
    if (isGateError(thrown)) handle(thrown)
    const other: Error = new GateError("closed", "x")
    if (isGateError(other)) expectTypeOf(other.code).toEqualTypeOf<GateErrorCode>()
    // @ts-expect-error: there is no such code
    if (isGateError(thrown) && thrown.code === "forbidden") return
  })
})

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
    if (isGateError(thrown)) expectTypeOf(thrown).toExtend<GateError>()
    if (thrown instanceof GateError) expectTypeOf(thrown.retryAfterSeconds).toEqualTypeOf<number | null>()
  })

  it("is no wider than what another copy of the library declares: nothing in it is private or unique", () => {
    // What a second declaration of the class looks like to the compiler: its public members, and no more.
    type Declared = { readonly [Member in keyof GateError]: GateError[Member] }
    expectTypeOf<Declared>().toExtend<GateError>()
  })
})
