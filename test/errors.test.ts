import { describe, expect, it } from "vitest"
import { GateError } from "../src/errors.js"
import { refusalFor, withChallenge } from "../src/refusal.js"

/** An error as another copy of this library makes it. */
function ofAnotherCopy(): Error {
  class Other extends Error {}
  return Object.defineProperty(new Other("x"), Symbol.for("keycloak-gate.error"), { value: true })
}

describe("GateError", () => {
  it("knows by instanceof what any copy of the library threw, and nothing else", () => {
    expect(new GateError("closed", "x")).toBeInstanceOf(GateError)
    expect(ofAnotherCopy()).toBeInstanceOf(GateError)
    for (const other of [new Error("x"), null, undefined, "closed", { code: "closed", name: "GateError" }]) {
      expect(other instanceof GateError).toBe(false)
    }
  })

  it("has what its code promises, without telling a caller what nobody said", () => {
    expect(new GateError("invalid_token", "x").reason).toBe("claims")
    expect(new GateError("user_exists", "x").field).toBeNull()
    expect(new GateError("account_rejected", "x").fields).toEqual([])
    expect(new GateError("invalid_token", "x", { reason: "expired" }).reason).toBe("expired")
    expect(refusalFor(new GateError("user_exists", "x"))?.body).not.toHaveProperty("field")
    expect(refusalFor(new GateError("user_exists", "x", { field: null }))?.body).toHaveProperty("field", null)
    expect(refusalFor(new GateError("account_rejected", "x"))?.body).not.toHaveProperty("fields")
    expect(refusalFor(new GateError("account_rejected", "x", { fields: [] }))?.body).toHaveProperty("fields", [])
    expect("field" in new GateError("closed", "x")).toBe(false)
  })

  it("keeps apart what extends it: a class of the application knows its own errors alone", () => {
    class OrderError extends GateError {}
    const own = new OrderError("insufficient_scope", "x")
    expect([own instanceof OrderError, own instanceof GateError]).toEqual([true, true])
    expect(new GateError("closed", "x") instanceof OrderError).toBe(false)
    expect(ofAnotherCopy() instanceof OrderError).toBe(false)
    expect(refusalFor(own)?.status).toBe(403)
  })

  it.each(["", "forbidden", "__proto__", "constructor", undefined, 5, ["closed"], Object.create(null)])(
    "throws config_invalid for the code %j",
    code => {
      expect(() => new GateError(code as "closed", "x")).toThrow(expect.objectContaining({ code: "config_invalid" }))
    },
  )

  it.each([null, "details", 5])("says nothing more where its details are %j", details => {
    const error = new GateError("closed", "x", details as never)
    expect([error.status, "cause" in error, "fields" in error]).toEqual([503, false, false])
  })

  it("of a copy that knows other codes is left to the framework", () => {
    const newer = Object.assign(ofAnotherCopy(), { code: "newer", status: 418, headers: {} })
    for (const error of [newer, ofAnotherCopy()]) {
      expect(refusalFor(error)).toBeNull()
      expect(withChallenge(error, "shop")).toBe(error)
    }
  })

  it("is answered with what its details say, but for what is meant for the log", () => {
    const fields = [{ field: "amount", rule: "too_high", params: [100] }]
    const details = { fields, field: null, required: { realmRoles: ["cashier"] }, cause: new Error("secret") }
    const error = new GateError("invalid_request", "for the log", details)
    expect(error.cause).toBe(details.cause)
    expect(refusalFor(error)?.body).toEqual({
      error: "invalid_request",
      error_description: "The request is malformed.",
      fields,
      field: null,
      required: { realmRoles: ["cashier"] },
    })
  })

  it.each([
    [undefined, null, undefined],
    [null, null, undefined],
    [0, 0, "0"],
    [1.2, 2, "2"],
    [-3, 0, "0"],
    [Number.NaN, null, undefined],
    [Number.POSITIVE_INFINITY, null, undefined],
    ["7\r\nX: y" as unknown as number, null, undefined],
  ])("with retryAfterSeconds %j asks to come again after %j", (given, seconds, header) => {
    const error = new GateError("keycloak_unavailable", "x", { retryAfterSeconds: given })
    expect(error.retryAfterSeconds).toBe(seconds)
    expect(refusalFor(error)?.headers["Retry-After"]).toBe(header)
  })

  it("puts no scope into a challenge that would break the header", () => {
    const required = { scopes: ['a"', "orders:read", "b\r\nX: y", ""] }
    const error = withChallenge(new GateError("insufficient_scope", "x", { required }), "shop")
    expect(refusalFor(error)?.headers["WWW-Authenticate"]).toMatch(/, scope="orders:read"$/)
  })
})
