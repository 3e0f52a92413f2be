import { runInNewContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { createCustomReader, customText } from "../../src/users/custom-profile.js"
import type { Claims } from "../../src/verify/claims.js"

const claims = { sub: "s1", plan: "pro" } as unknown as Claims
const account = { username: "ada", email: null, emailVerified: false, firstName: null, lastName: null }

const reading = (given: unknown) =>
  createCustomReader({ fromClaims: () => given, fromAccount: null }).ofClaims(claims).custom

function circle(): unknown {
  const values: Record<string, unknown> = {}
  values.self = values
  return values
}

function doubled(times: number): unknown {
  return Array.from({ length: times }).reduce<unknown[]>(inner => [inner, inner], [])
}

describe("custom values", () => {
  it("are a frozen copy, all the way down", () => {
    const given = { plan: "pro", tags: [{ name: "a" }] }
    const custom = reading(given) as unknown as typeof given
    expect(custom).toEqual(given)
    expect([custom, custom.tags, custom.tags[0]].every(Object.isFrozen)).toBe(true)
    given.tags.push({ name: "b" })
    expect(custom.tags).toHaveLength(1)
  })

  it("leave undefined members out, and `__proto__`", () => {
    const hostile = JSON.parse('{"__proto__":{"isAdmin":true},"in":{"__proto__":{"isAdmin":true},"b":1}}')
    const custom = reading({ ...hostile, plan: undefined, none: null, list: [undefined] })
    expect(custom).toEqual({ in: { b: 1 }, none: null, list: [null] })
    expect(Object.hasOwn(custom, "__proto__")).toBe(false)
    expect("isAdmin" in custom || "isAdmin" in Object.assign({}, custom.in as object)).toBe(false)
  })

  it("have null for the holes of a list", () => {
    expect(0 in (reading({ list: new Array(1) }).list as object)).toBe(true)
  })

  it("may come from another realm of JavaScript, or have no prototype", () => {
    expect(reading(runInNewContext('({ plan: "pro", list: [1] })'))).toEqual({ plan: "pro", list: [1] })
    expect(reading(Object.assign(Object.create(null), { plan: "pro" }))).toEqual({ plan: "pro" })
  })

  it.each([
    ["undefined", undefined],
    ["null", null],
    ["a text", "pro"],
    ["a list", ["pro"]],
    ["a Map", new Map()],
    ["a function in it", { plan: () => "pro" }],
    ["a bigint in it", { plan: 1n }],
    ["no finite number in it", { plan: Number.NaN }],
    ["a Date in it", { since: new Date(0) }],
    ["a symbol in it", { plan: Symbol("pro") }],
    ["a circle", circle()],
    ["more than 64 kB", { plan: "x".repeat(65_536) }],
    ["a list of two thousand millions, all of them nothing", { plan: new Array(2_000_000_000) }],
    ["one list a million times, each time in two others", { plan: doubled(20) }],
  ])("are refused as %s: `config_invalid` names the function", (_, given) => {
    expect(() => reading(given)).toThrow(
      expect.objectContaining({ code: "config_invalid", message: expect.stringContaining("customProfile.fromClaims") }),
    )
  })

  it("are refused as a promise, whose rejection ends nothing", async () => {
    expect(() => reading(Promise.reject(new Error("nobody hears this")))).toThrow(/at once/)
    await new Promise(setImmediate)
  })

  it("are refused with the place of what is wrong, and without its value", () => {
    const refused = () => reading({ a: { b: ["fine", 5n] } })
    expect(refused).toThrow(/at `a\.b\[1\]`/)
    expect(refused).not.toThrow(/5/)
  })

  it("are what the application throws, untouched", () => {
    const failure = new Error("no tenant")
    const { ofClaims, ofAccount } = createCustomReader({
      fromClaims: () => {
        throw failure
      },
      fromAccount: () => {
        throw failure
      },
    })
    expect(() => ofClaims(claims)).toThrow(failure)
    expect(() => ofAccount(account, {})).toThrow(failure)
  })

  it("are read of an account with all its attributes, as lists without a prototype", () => {
    const { ofAccount } = createCustomReader({ fromClaims: null, fromAccount: one => ({ seen: { ...one } as never }) })
    const attributes = { plan: ["pro"], odd: "no list", mixed: ["a", 1] }
    expect(ofAccount(account, attributes).custom).toEqual({
      seen: { ...account, attributes: { plan: ["pro"], mixed: ["a"] } },
    })
    expect(ofAccount(account, undefined).custom).toEqual({ seen: { ...account, attributes: {} } })
    const asked = createCustomReader({
      fromClaims: null,
      fromAccount: ({ attributes }) => ({ own: attributes.toString === undefined }),
    })
    expect(asked.ofAccount(account, {}).custom).toEqual({ own: true })
  })

  it("have a date of their own where one source of two tells nothing", () => {
    const neither = createCustomReader({ fromClaims: null, fromAccount: null })
    expect([neither.ofClaims(claims), neither.ofAccount(account, {})]).toEqual([{ custom: {} }, { custom: {} }])
    const fromClaims = createCustomReader({ fromClaims: () => ({ plan: "pro" }), fromAccount: null })
    expect(fromClaims.ofClaims(claims)).toEqual({ custom: { plan: "pro" } })
    expect(fromClaims.ofAccount(account, {})).toEqual({ custom: {}, customAsOf: new Date(0) })
  })
})

describe("the text of custom values", () => {
  it("is the same for equal values in any order of their members, and another one for others", () => {
    const text = customText({ a: 1, b: { c: [1, 2], d: null } })
    expect(customText({ b: { d: null, c: [1, 2] }, a: 1 })).toBe(text)
    for (const other of [{ a: 1, b: { c: [2, 1], d: null } }, { a: 1, b: { c: [1, 2] } }, { a: "1", b: null }, {}])
      expect(customText(other)).not.toBe(text)
  })

  it("is short for long values too, and tells them apart", () => {
    const long = (end: string) => customText({ plan: `${"x".repeat(10_000)}${end}` })
    expect(long("a")).toBe(long("a"))
    expect(long("a")).not.toBe(long("b"))
    expect(long("a").length).toBeLessThan(100)
  })
})
