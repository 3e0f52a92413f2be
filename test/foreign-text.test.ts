import { describe, expect, it } from "vitest"
import { inQuotes, printable } from "../src/foreign-text.js"

describe("printable", () => {
  it.each(["phone", "E-Mail_2", "größe", "電話", "emoji 🙂", "a  b", "", "\\"])("leaves %j as it is", text => {
    expect(printable(text)).toBe(text)
  })

  it.each([
    ["a line break", "a\r\nb", "a\\r\\nb"],
    ["a terminal's escape", "\u001b[31m", "\\u001b[31m"],
    ["a terminal's escape in one character", "\u009b31m", "\\u009b31m"],
    ["DEL", "\u007f", "\\u007f"],
    ["a line separator", "\u2028", "\\u2028"],
    ["what turns the direction", "\u202eb\u2066", "\\u202eb\\u2066"],
    ["a blank that is none", "\u00a0", "\\u00a0"],
    ["what can't be seen", "\u200b\u00ad\u3164\ufeff", "\\u200b\\u00ad\\u3164\\ufeff"],
    ["a tag character", "\u{e0041}", "\\udb40\\udc41"],
    ["half a surrogate pair", "\ud83d", "\\ud83d"],
  ])("writes %s as an escape", (_, text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it("cuts what is longer than it may be", () => {
    expect(printable("x".repeat(100_000))).toBe(`${"x".repeat(80)}…`)
    expect(printable("x".repeat(81), 81)).toBe("x".repeat(81))
    expect(printable("\u0000".repeat(100_000), 2)).toBe("\\u0000\\u0000…")
  })
})

describe("inQuotes", () => {
  it("shows where a text ends, and quotes what is in it", () => {
    expect(inQuotes(' a "b"\n')).toBe('" a \\"b\\"\\n"')
    expect(inQuotes("x".repeat(81))).toBe(`"${"x".repeat(80)}…"`)
    expect(inQuotes("\u2028\ud83d")).toBe('"\\u2028\\ud83d"')
  })
})
