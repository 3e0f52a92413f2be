import { describe, expect, it } from "vitest"
import { hasDuplicateMembers } from "../../src/keycloak/duplicate-members.js"

describe("hasDuplicateMembers", () => {
  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a" :1,"a"\t:2}',
    '{"a"\r\n : 1,\n"a"\n\n:2}',
    '{"":1,"":2}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061b":1,"a\\u0062":2}',
    '{"\\"":1,"\\"":2}',
    '{"\\\\":1,"\\\\":2}',
    '{"a\\"b\\"c":1,"a\\"b\\"c":2}',
    '{"\\n\\n":1,"\\u000a\\n":2}',
    '{"x":{"a":1,"a":2}}',
    '{"x":[{"y":{"a":{},"b":[],"a":{}}}]}',
    '{"a":{"b":1},"a":2}',
    '{"a":{"b":{"c":1}},"d":{},"a":2}',
    '{"a":[{"b":1}],"b":"}","a":2}',
    '{"a":"{","a":2}',
    '{"a":"x","b":"a","a":2}',
    '{"__proto__":1,"__proto__":2}',
    '[{"a":1,"a":2}]',
    ' {"a":1, "a":2} ',
  ])("sees a name twice in %s", json => {
    expect(Object.keys(Object(JSON.parse(json)))).toBeDefined() // it is JSON
    expect(hasDuplicateMembers(json)).toBe(true)
  })

  it.each([
    "{}",
    "[]",
    "1",
    '"a"',
    '["a","a"]',
    '{"a":1}',
    '{"a":1,"b":1}',
    '{"a":"b","b":"a"}',
    '{"a":"a"}',
    '{"a":1,"A":2}',
    '{"a":1,"a ":2}',
    '{"a":{"a":{"a":1}}}',
    '{"x":{"a":1},"y":{"a":1},"a":1}',
    '[{"a":1},{"a":1}]',
    '{"x":[{"a":1},{"a":1}],"a":1}',
    '{"x":"{\\"a\\":1,\\"a\\":2}"}',
    '{"x":"\\\\","y":"\\":","z":"\\"y\\":"}',
    '{"x":"}","y":{"x":"{"}}',
    '{"x":["a","a",{"a":"a"}],"a":[]}',
    '{"toString":1,"constructor":2,"hasOwnProperty":3}',
  ])("sees none in %s", json => {
    expect(hasDuplicateMembers(JSON.stringify(JSON.parse(json)))).toBe(false)
    expect(hasDuplicateMembers(json)).toBe(false)
  })

  it("takes a megabyte of one string, and 100,000 objects in each other", () => {
    expect(hasDuplicateMembers(`{"a":"${"x\\\\".repeat(300_000)}","a":1}`)).toBe(true)
    expect(hasDuplicateMembers('{"a":'.repeat(100_000) + 1 + "}".repeat(100_000))).toBe(false)
  })
})
