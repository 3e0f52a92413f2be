import { describe, expect, it } from "vitest"
import type { GateError } from "../../src/errors.js"
import { readHeader, splitToken } from "../../src/keycloak/compact-token.js"
import { encode } from "../support/sign-by-hand.ts"

const payload = encode({ iss: "x" })
const threeParts = /has not exactly three parts/
const canonical = /not canonical base64url/
const noJson = /is no JSON in UTF-8/
const noObject = /is no JSON object/

function refusal(work: () => unknown): GateError {
  try {
    work()
  } catch (error) {
    return error as GateError
  }
  return expect.unreachable("it was accepted")
}
function expectMalformed(work: () => unknown, why: RegExp): void {
  const error = refusal(work)
  expect(error).toMatchObject({ code: "invalid_token", reason: "malformed", message: expect.stringMatching(why) })
  expect(error.cause).toBeUndefined()
}

describe("splitToken", () => {
  it("hands out the three parts, and the bytes that were signed", () => {
    expect(splitToken(`h.${payload}.c2ln`)).toEqual({
      encodedHeader: "h",
      payload: { iss: "x" },
      signed: Buffer.from(`h.${payload}`),
      signature: Buffer.from("sig"),
    })
  })

  it("reads a payload that is longer than any it keeps memory for", () => {
    const long = { text: "€".repeat(20_000) }
    expect(splitToken(`h.${encode(long)}.c2ln`).payload).toEqual(long)
    expect(splitToken(`h.${payload}.c2ln`).payload).toEqual({ iss: "x" })
  })

  it("takes a replacement character for what was sent, and bytes that only read as one for no UTF-8", () => {
    const right = { name: "\ufffd" }
    expect(splitToken(`h.${encode(right)}.c2ln`).payload).toEqual(right)
    const wrong = Buffer.concat([Buffer.from('{"name":"\ufffd'), Buffer.of(0xff), Buffer.from('"}')])
    expectMalformed(() => splitToken(`h.${wrong.toString("base64url")}.c2ln`), noJson)
  })

  it.each([
    "",
    "h",
    ".",
    "..",
    `h.${payload}`,
    `.${payload}.c2ln`,
    `h..c2ln`,
    `..c2ln`,
    `h.${payload}.c2ln.`,
    `h.${payload}.c2ln.x`,
    `h.${payload}..c2ln`,
    "a.b.c.d.e",
  ])("counts no three parts in %j", token => {
    expectMalformed(() => splitToken(token), threeParts)
  })

  it.each([
    ["no signature", `h.${payload}.`],
    ["one letter", `h.${payload}.A`],
    ["five letters", `h.${payload}.AAAAA`],
    ["padding", `h.${payload}.AA==`],
    ["unused bits after two letters", `h.${payload}.AB`],
    ["unused bits after three letters", `h.${payload}.AAB`],
    ["a plus", `h.${payload}.AA+A`],
    ["a slash", `h.${payload}.AA/A`],
    ["a plus in the header", `+.${payload}.AAAA`],
    ["a slash in the header", `/.${payload}.AAAA`],
    ["a blank", `h.${payload}.AA A`],
    ["a letter that is none", `h.${payload}.AA~A`],
    // Node's decoder sees the low byte alone: U+0141 would be an "A".
    ["a letter beyond ASCII", `h.${payload}.AA\u0141A`],
    ["a letter beyond ASCII in the header", `\u0141.${payload}.AAAA`],
    ["unused bits in the payload", `h.${payload.slice(0, -1)}${payload.endsWith("9") ? "-" : "R"}.AAAA`],
  ])("finds a spelling with %s not canonical", (_, token) => {
    expectMalformed(() => splitToken(token), /not canonical base64url|is no JSON/)
    expect(() => splitToken(`h.${payload}.AAAA`)).not.toThrow()
  })

  it.each(["AA", "AQ", "Ag", "Aw", "AAA", "AAE", "AAI", "AAw", "AAAA", "____", "----"])("takes %s", signature => {
    expect(splitToken(`h.${payload}.${signature}`).signature.toString("base64url")).toBe(signature)
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ["no JSON", "{", noJson],
    ["no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), noJson],
    ["JSON behind a byte order mark", "\ufeff{}", noJson],
    ["a list", "[]", noObject],
    ["null", "null", noObject],
    ["a string", '"x"', noObject],
    ["a number", "1", noObject],
    ["false", "false", noObject],
  ])("refuses a payload that is %s", (_, text, why) => {
    expectMalformed(() => splitToken(`h.${encode(text)}.AAAA`), why)
  })
})

describe("readHeader", () => {
  it("reads a JSON object, with blanks and members that nobody knows", () => {
    expect(readHeader(encode('{ "alg" : "RS256",\n"x":[{"a":1},{"a":1}] }'))).toEqual({
      alg: "RS256",
      x: [{ a: 1 }, { a: 1 }],
    })
  })

  it("refuses other JSON, other spellings and a name that stands twice", () => {
    expectMalformed(() => readHeader(encode("[]")), noObject)
    expectMalformed(() => readHeader(encode("x")), noJson)
    expectMalformed(() => readHeader(`${encode("{}")}=`), canonical)
    expectMalformed(() => readHeader(""), canonical)
    expectMalformed(() => readHeader(encode('{"alg":"RS256","alg":"RS256"}')), /names a member twice/)
  })
})
