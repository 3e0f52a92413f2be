import { describe, expect, it } from "vitest"
import { areTooMany, areTooManyAtFirst } from "../../../src/users/sync/sync-brake.js"

describe("rows without account", () => {
  it.each([
    [1, 1, false],
    [4, 4, false],
    [5, 2, false],
    [5, 3, true],
    [6, 3, false],
    [40, 20, false],
    [40, 21, true],
    [209, 21, true],
    [210, 21, false],
    [1_000_000, 100_000, false],
    [1_000_000, 100_001, true],
  ])("of %i rows are %i too many: %s", (checked, missing, expected) => {
    expect(areTooMany({ checked, missing }, undefined)).toBe(expected)
  })

  it.each([
    [4, 4, false],
    [5, 3, true],
    [50, 25, false],
    [50, 26, true],
  ])("among the first %i rows are %i too many to begin: %s", (checked, missing, expected) => {
    expect(areTooManyAtFirst({ checked, missing }, undefined)).toBe(expected)
  })

  it.each([
    [0, 0, false],
    [0, 1, true],
    [50, 50, false],
    [50, 51, true],
    [Number.POSITIVE_INFINITY, 100, false],
  ])("are too many beyond maxMissing %d alone: %i, %s", (maxMissing, missing, expected) => {
    const counts = { checked: 100, missing }
    expect([areTooMany(counts, maxMissing), areTooManyAtFirst(counts, maxMissing)]).toEqual([expected, expected])
  })
})
