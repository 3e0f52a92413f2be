import { describe, expect, it } from "vitest"
import type { GateErrorCode } from "../src/error-codes.js"
import { GateError, isGateError } from "../src/errors.js"
import { refusalFor, withChallenge } from "../src/refusal.js"

const table: [GateErrorCode, number, string | null][] = [
  ["config_invalid", 500, null],
  ["closed", 503, null],
  ["credentials_missing", 401, 'Bearer realm="shop"'],
  ["invalid_request", 400, 'error="invalid_request"'],
  ["invalid_token", 401, 'error="invalid_token"'],
  ["insufficient_scope", 403, 'error="insufficient_scope"'],
  ["invalid_credentials", 401, null],
  ["account_disabled", 403, null],
  ["account_setup_required", 403, null],
  ["session_ended", 401, null],
  ["user_exists", 409, null],
  ["account_rejected", 422, null],
  ["keycloak_unavailable", 503, null],
  ["keycloak_refused_us", 500, null],
  ["store_unavailable", 503, null],
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

  it("has no member for what the error does not name", () => {
    const refusal = refusalFor(new GateError("invalid_request", ""))
    expect(Object.keys(refusal?.body ?? {})).toEqual(["error", "error_description"])
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

  it("answers an error that inherits from one of ours, as wrappers make them", () => {
    expect(refusalFor(Object.create(new GateError("insufficient_scope", "")))).toMatchObject({ status: 403 })
  })

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

describe("what a caller is told", () => {
  it.each<[GateErrorCode, string]>([
    ["config_invalid", "The application has set up its authentication wrongly."],
    ["closed", "The application is shutting down."],
    ["credentials_missing", "This resource needs an access token."],
    ["invalid_request", "The request is malformed."],
    ["invalid_token", "The access token is not valid here."],
    ["insufficient_scope", "The access token is valid but does not allow this."],
    ["invalid_credentials", "The credentials are not valid."],
    ["account_disabled", "The account is disabled."],
    ["account_setup_required", "The account needs to be completed before it can log in."],
    ["session_ended", "The session has ended; log in again."],
    ["user_exists", "An account with this username or e-mail exists already."],
    ["account_rejected", "The account or its password does not meet the rules."],
    ["keycloak_unavailable", "The login service cannot be reached; try again later."],
    ["keycloak_refused_us", "The login service does not accept this application."],
    ["store_unavailable", "The application's own data cannot be reached; try again later."],
  ])("of %s is this sentence and nothing else, not to be stored", (code, error_description) => {
    const refusal = refusalFor(new GateError(code, "for the log"))
    expect(refusal?.body).toEqual({ error: code, error_description })
    expect(refusal?.headers).toEqual({
      "Cache-Control": "no-store",
      "Content-Type": "application/json; charset=utf-8",
    })
  })

  it("holds the fields of a bad request, never those of a wrong option", () => {
    const fields = [{ field: "email", rule: "required", params: [] }]
    expect(refusalFor(new GateError("invalid_request", "", { fields }))?.body.fields).toBe(fields)
    expect(refusalFor(new GateError("config_invalid", "", { fields }))?.body).not.toHaveProperty("fields")
  })

  it("holds the field that is taken, null where Keycloak can't tell, and what is required", () => {
    expect(refusalFor(new GateError("user_exists", "", { field: "email" }))?.body.field).toBe("email")
    expect(refusalFor(new GateError("user_exists", "", { field: null }))?.body.field).toBeNull()
    const required = { realmRoles: ["editor"] }
    expect(refusalFor(new GateError("insufficient_scope", "", { required }))?.body.required).toEqual(required)
  })
})

describe("withChallenge", () => {
  it("leaves a challenge that is there already, and what is not ours, as they are", () => {
    const error = withChallenge(new GateError("invalid_token", ""), "shop") as GateError
    const { headers } = error
    expect(withChallenge(error, "other")).toBe(error)
    expect(error.headers).toBe(headers)
    for (const other of [new TypeError("x"), null, "x"]) expect(withChallenge(other, "shop")).toBe(other)
  })

  it("shows the challenge to whoever lists an error's members, and keeps Retry-After", () => {
    const error = withChallenge(new GateError("invalid_token", "", { retryAfterSeconds: 3 }), "shop")
    expect({ ...(error as GateError) }.headers).toEqual({
      "Retry-After": "3",
      "WWW-Authenticate": expect.stringContaining("invalid_token"),
    })
  })
})
