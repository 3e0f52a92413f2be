import { describe, expect, it } from "vitest"
import { readCursor, type SyncPlace, writeCursor } from "../../../src/users/sync/sync-cursor.js"

const issuer = "https://sso.example.test/realms/shop"
const counts = { checked: 100, missing: 15 }
const places: readonly SyncPlace[] = [
  { phase: "accounts", position: { first: 190, marks: ["a", "b"] }, createdAfter: null },
  { phase: "accounts", position: { first: 0, marks: [] }, createdAfter: new Date(1_800_000_000_000) },
  { phase: "rows", after: null, ...counts },
  { phase: "rows", after: "s-1", ...counts },
  { phase: "removal", after: "s-1", removed: 5, ...counts },
]

describe("a cursor of syncUsers", () => {
  it.each(places)("leads to the place that it was written at: %j", place => {
    expect(readCursor(issuer, writeCursor(issuer, place))).toEqual(place)
    expect(readCursor(`${issuer}-2`, writeCursor(issuer, place))).toBeNull()
  })

  it.each([
    ["phase", "elsewhere"],
    ["after", 1],
    ["checked", undefined],
    ["missing", -1],
    ["missing", "15"],
    ["removed", 0.5],
    ["v", 2],
  ])("is refused when its %s is %j", (name, value) => {
    const written = writeCursor(issuer, { phase: "removal", after: null, removed: 5, ...counts })
    const changed = { ...JSON.parse(Buffer.from(written, "base64url").toString()), [name]: value }
    expect(readCursor(issuer, Buffer.from(JSON.stringify(changed)).toString("base64url"))).toBeNull()
  })

  it.each([null, "", "!", "bnVsbA", "e30", 5])("is refused when it is %j", cursor => {
    expect(readCursor(issuer, cursor)).toBeNull()
  })
})
