import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { refusedUs } from "../../src/keycloak/set-up-errors.js"
import { readChallenge, readKeycloakError, sayings } from "../../src/keycloak/words.js"

const root = join(import.meta.dirname, "../../src")
// The test realm speaks as Keycloak does.
const others = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter(file => file.endsWith(".ts") && file !== "keycloak/words.ts" && !file.startsWith("testing/"))
  .map(file => ({ file, text: readFileSync(join(root, file), "utf8") }))

/** Codes that answers of this library have, too. */
const ownCodes = ["invalid_token", "insufficient_scope", "invalid_request"]

const markers = Object.values(sayings)
  .flat()
  .flatMap(({ words }) =>
    (typeof words === "string" ? words : (words?.source.replaceAll(/\^|\$|\\b|.*\+/g, "") ?? "")).split(": "),
  )
  .filter(marker => marker !== "" && !ownCodes.includes(marker))

function filesWith(marker: string | RegExp): string[] {
  const has = (text: string) => (typeof marker === "string" ? text.includes(marker) : marker.test(text))
  return others.filter(({ text }) => has(text)).map(({ file }) => file)
}

describe("the words of Keycloak", () => {
  it.each([...new Set(markers)])("%s: stands in no other file", marker => {
    expect(filesWith(marker)).toEqual([])
  })

  it("are read in no other file", () => {
    expect(filesWith("errorMessage")).toEqual([])
    // Our own answers have this member.
    expect(filesWith("error_description").sort()).toEqual([
      "adapters/backchannel-logout.ts",
      "adapters/fastify.ts",
      "adapters/nestjs/gate-filter.ts",
      "refusal.ts",
    ])
    expect(filesWith(/(?<!typeof )\b(error|description|said)\s*[!=]==\s*["'`/]/)).toEqual([])
    expect(filesWith(/\.(test|exec)\(\s*(error|description|challenge|said)\b/)).toEqual([])
    expect(filesWith(/\b(error|description|challenge|said)\.(includes|startsWith|endsWith|match)\(\s*["'`/]/)).toEqual(
      [],
    )
  })
})

describe("readKeycloakError", () => {
  it.each([
    ["of an ingress", "default backend - 404"],
    ["of a web page", "<html><body>404 Not Found</body></html>"],
    ["without a body", null],
    ["of Spring", { timestamp: "2026-11-30", status: 404, error: "Not Found", path: "/realms/shop" }],
    ["of Kong", { message: "no Route matched with those values" }],
    ["in a list", [{ error: "User not found" }]],
    ["of somebody else, with Keycloak's words in it", { code: 404, error: "User not found" }],
  ])("takes a 404 %s for nothing that Keycloak said", (_, body) => {
    expect(readKeycloakError(404, body)).toMatchObject({ kind: "foreign", error: "", description: "" })
  })

  it("does not guess what a 404 in Keycloak's form means", () => {
    expect(readKeycloakError(404, { error: "user not found" }).kind).toBe("unknown")
    expect(readKeycloakError(404, { error: "Not Found" }).kind).toBe("unknown")
  })

  it("takes words under another status for unknown ones", () => {
    expect(readKeycloakError(400, { error: "User not found" }).kind).toBe("unknown")
    expect(readKeycloakError(403, { errorMessage: "User exists with same email" }).kind).toBe("unknown")
  })

  it("tells the rule of a field without what was typed into it", () => {
    const one = { field: "email", errorMessage: "error-invalid-email", params: ["email", "not an e-mail", 7] }
    const fields = [{ field: "email", rule: "error-invalid-email", params: [7] }]
    expect(readKeycloakError(400, one)).toMatchObject({ kind: "rules_broken", fields })
    expect(readKeycloakError(400, { errors: [one] })).toMatchObject({ kind: "rules_broken", fields })
  })

  it("survives members of any type", () => {
    for (const value of [1, null, {}, [null], [[]], true]) {
      const body = { error: value, errorMessage: value, error_description: value, errors: value, field: value }
      expect(() => readKeycloakError(400, body)).not.toThrow()
    }
  })
})

describe("readChallenge", () => {
  it("tells a missing token, whose challenge says no error, from a refused one", () => {
    expect(readChallenge(401, 'Bearer realm="shop"').kind).toBe("unknown")
    expect(readChallenge(401, 'Bearer realm="shop", error="invalid_token", error_description="any"').kind).toBe(
      "token_refused",
    )
    expect(readChallenge(401, "").kind).toBe("unknown")
  })
})

describe("an unknown refusal", () => {
  const client = { url: "http://sso.test/realms/shop/x", realm: "shop", clientId: "shop-api", clientSecret: "s3cret" }
  const messageOf = (body: unknown) => refusedUs(client, readKeycloakError(400, body)).message

  it("says what Keycloak said", () => {
    expect(messageOf({ error: "invalid_target", error_description: "Something that is new" })).toBe(
      'Keycloak refused a request of the client "shop-api". (Keycloak answered 400 invalid_target: Something that is new)',
    )
  })

  it("is bounded, on one line, and holds neither secret nor token nor e-mail", () => {
    const token = `eyJhbGciOiJSUzI1NiJ9.${"x".repeat(40)}.y`
    const description = `line\nbreak ${token} s3cret ada@example.test ${"word ".repeat(1000)}`
    const message = messageOf({ error: "new", error_description: description })
    expect(message.length).toBeLessThan(400)
    expect(message).toContain("new: … … … … word word")
    for (const part of ["\n", "eyJ", "s3cret", "ada@"]) expect(message).not.toContain(part)
  })
})
