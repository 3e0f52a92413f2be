import { describe, expect, it } from "vitest"
import { refusalFor, withChallenge } from "../../src/bearer/refusal.js"
import { GateError, type GateErrorCode, isGateError } from "../../src/errors.js"

const table: [GateErrorCode, number, string | null][] = [
  ["config_invalid", 500, null],
  ["closed", 500, null],
  ["credentials_missing", 401, 'Bearer realm="shop"'],
  ["invalid_request", 400, 'error="invalid_request"'],
  ["invalid_token", 401, 'error="invalid_token"'],
  ["insufficient_scope", 403, 'error="insufficient_scope"'],
  ["invalid_credentials", 401, null],
  ["account_disabled", 403, null],
  ["account_setup_required", 403, null],
  ["session_ended", 401, null],
  ["user_exists", 409, null],
  ["registration_rejected", 422, null],
  ["keycloak_unavailable", 503, null],
  ["keycloak_refused_us", 500, null],
]

describe("refusalFor", () => {
  it.each(table)("answers %s with %i", (code, status, challenge) => {
    const error = withChallenge(new GateError(code, "for the log: 4711", { cause: new Error("4711") }), "shop")
    const refusal = refusalFor(error)
    expect(refusal?.status).toBe(status)
    expect(refusal?.body.error).toBe(code)
    expect(JSON.stringify(refusal)).not.toContain("4711")
    const header = refusal?.headers["WWW-Authenticate"]
    if (challenge === null) expect(header).toBeUndefined()
    else expect(header).toContain(challenge)
  })

  it("sends no error code in the challenge when no credentials were presented", () => {
    const refusal = refusalFor(withChallenge(new GateError("credentials_missing", ""), "shop"))
    expect(refusal?.headers["WWW-Authenticate"]).toBe('Bearer realm="shop"')
  })

  it("names lacking scopes in the challenge", () => {
    const error = new GateError("insufficient_scope", "", { required: { scopes: ["orders:read", "orders:write"] } })
    expect(refusalFor(withChallenge(error, "shop"))?.headers["WWW-Authenticate"]).toContain(
      'scope="orders:read orders:write"',
    )
  })

  it("sends a challenge that is legal in a header for every realm name", () => {
    const refusal = refusalFor(withChallenge(new GateError("invalid_token", ""), 'Büro "1"\r\nX: y'))
    expect(refusal?.headers["WWW-Authenticate"]).toMatch(
      /^Bearer realm="[\w%.~!*'()-]+", error="invalid_token", error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]+"$/,
    )
  })

  it("passes on Retry-After where Keycloak gave it", () => {
    const error = new GateError("keycloak_unavailable", "", { retryAfterSeconds: 7 })
    expect(refusalFor(error)?.headers["Retry-After"]).toBe("7")
  })

  it.each([[new Error("x")], [null], [undefined], ["invalid_token"], [{ code: "invalid_token", status: 401 }]])(
    "has no answer to what is not ours: %s",
    error => {
      expect(refusalFor(error)).toBeNull()
      expect(isGateError(error)).toBe(false)
    },
  )

  it("gives frameworks what they look for on an error that is passed on", () => {
    const error = withChallenge(new GateError("invalid_token", "", { reason: "expired" }), "shop") as GateError
    expect(error).toMatchObject({
      name: "GateError",
      code: "invalid_token",
      reason: "expired",
      status: 401,
      statusCode: 401,
      expose: false,
    })
    expect(error.headers["WWW-Authenticate"]).toContain("invalid_token")
  })
})
