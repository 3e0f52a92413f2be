import { describe, expect, it } from "vitest"
import { quoted, quotedName } from "../../src/keycloak/quoted.js"
import { secrets, secretsIn } from "../support/refusal-of.ts"

describe("what Keycloak says", () => {
  // 26.7.4
  it.each([
    "Client not allowed for direct access grants",
    "Invalid client or Invalid client credentials",
    "Client secret not provided in request",
    "Realm does not exist",
    "HTTP 401 Unauthorized",
    "Unable to find matching target resource method",
    "invalid_grant",
    "Maximum allowed refresh token reuse exceeded",
    "Can't reset password as account is read only",
    "For more on this error consult the server log.",
    "unknown_error",
  ])("is quoted as it is: %s", sentence => {
    expect(quoted(sentence)).toBe(sentence)
  })

  const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
  const basic = `Basic ${Buffer.from(`shop-api:${secrets.clientSecrets[0]}`).toString("base64")}`
  it.each([
    secrets.password,
    secrets.email,
    token,
    basic,
    `no such user ${secrets.email}, sorry`,
    `"${secrets.password}"`,
    `password=${secrets.password}&token=${token}`,
    `x${secrets.clientSecrets[0]}x`,
    "a".repeat(190) + secrets.email,
  ])("is quoted without what may be a secret", text => {
    const said = quoted(text, secrets.clientSecrets[0])
    expect([said.includes(secrets.password), secretsIn(said)]).toEqual([false, []])
    expect(said).toContain("…")
  })

  it("is quoted on one line, and not for ever", () => {
    expect(quoted("one\ntwo\u001b[31m three")).toMatch(/^[^\p{C}]+$/u)
    expect(quoted("word ".repeat(1000)).length).toBeLessThan(250)
  })

  it.each(["email", "firstName", "address.line_1", "iso3166Code", "error-invalid-length", "Straße"])(
    "keeps the name of a field or a rule: %s",
    name => {
      expect(quotedName(name)).toBe(name)
    },
  )

  it.each([secrets.email, token, "", "two words 12345", "a".repeat(65)])("keeps no other name: %s", text => {
    expect(quotedName(text)).not.toBe(text)
    expect(secretsIn(quotedName(text))).toEqual([])
  })
})
