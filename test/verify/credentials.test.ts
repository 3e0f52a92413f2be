import { describe, expect, it } from "vitest"
import { onlyHeader, readBearer, whyRefused } from "../../src/verify/credentials.js"

const limit = 12_288
const whatTheVerifierSaid = new Error()

function tokenIn(authorization: unknown): string | null {
  const header = onlyHeader(authorization)
  const token = header === null ? null : readBearer(header, limit)
  if (token === null) return null
  const refusal = whyRefused({ scheme: "Bearer", token }, whatTheVerifierSaid)
  if (refusal !== whatTheVerifierSaid) throw refusal
  return token
}

describe("onlyHeader, readBearer and whyRefused", () => {
  it.each([
    ["no header", undefined],
    ["null", null],
    ["an empty list", []],
    ["an empty header", ""],
    ["another scheme", "Basic YWRhOnB3"],
    ["a scheme that only starts like Bearer", "BearerX abc"],
    ["the scheme JWT", "JWT abc.def.ghi"],
    ["another scheme, and Bearer behind it", "Basic Bearer "],
  ])("finds no credentials in %s", (_, authorization) => {
    expect(tokenIn(authorization)).toBeNull()
  })

  it.each(["Bearer abc.def.ghi", "bearer abc.def.ghi", "BEARER abc.def.ghi"])("reads the token of %s", header => {
    expect(tokenIn(header)).toBe("abc.def.ghi")
    expect(tokenIn([header])).toBe("abc.def.ghi")
  })

  it.each([
    ["the scheme alone", "Bearer"],
    ["the scheme and a blank", "Bearer "],
    ["two blanks", "Bearer  abc"],
    ["a tab", "Bearer\tabc"],
    ["a no-break space", "Bearer\u00a0abc"],
    ["two words", "Bearer abc def"],
    ["a trailing blank", "Bearer abc "],
    ["a leading blank", " Bearer abc"],
    ["a comma", "Bearer abc,def"],
    ["two headers that were joined", "Bearer abc, Bearer def"],
    ["quotes", 'Bearer "abc"'],
    ["padding in the middle", "Bearer ab=c"],
    ["a token glued on with a colon", "Bearer:abc"],
    ["a line break", "Bearer abc\r\nX: y"],
    ["letters beyond ASCII", "Bearer äbc"],
    ["two fields", ["Bearer abc", "Bearer abc"]],
    ["two fields of which one is another scheme", ["Basic abc", "Bearer abc"]],
    ["a number", 5],
  ])("calls %s a malformed request", (_, authorization) => {
    expect(() => tokenIn(authorization)).toThrow(expect.objectContaining({ code: "invalid_request", status: 400 }))
  })

  it("refuses a token above the limit before anything is parsed", () => {
    expect(readBearer(`Bearer ${"a".repeat(300)}`, 300)).toHaveLength(300)
    expect(() => readBearer(`Bearer ${"a".repeat(301)}`, 300)).toThrow(
      expect.objectContaining({ code: "invalid_token", reason: "too_large" }),
    )
  })
})

describe("the message of a malformed header", () => {
  it.each<[unknown, RegExp]>([
    [5, /^Refused a malformed Authorization header: it is neither a string nor an array of strings\.$/],
    [["a", "b"], /: it was sent more than once \(RFC 9110 §5\.3\)\.$/],
    [" Bearer a", /: it does not start with an authentication scheme\.$/],
    ["\u00e4Bearer a", /: it does not start with an authentication scheme\.$/],
    ["Bearer", /: `Bearer` must be followed by one blank and the token\.$/],
    ["Bearer a b", /: what follows `Bearer ` is not one single token\.$/],
  ])("%j says what is wrong and repeats nothing of it", (authorization, message) => {
    expect(() => tokenIn(authorization)).toThrow(message)
  })

  it("names the limit that a token exceeds", () => {
    expect(() => tokenIn(`Bearer ${"a".repeat(limit + 1)}`)).toThrow(
      /^Refused a token of more than 12288 bytes \(`maxTokenBytes`\)\. .*Full scope allowed/,
    )
  })
})
