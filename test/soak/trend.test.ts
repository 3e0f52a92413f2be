import { describe, expect, it } from "vitest"
import { growthPerMinute, type Sample } from "./trend.ts"

const samples = (heap: (seconds: number) => number): Sample[] =>
  Array.from({ length: 60 }, (_, index) => ({ seconds: index * 5, heap: heap(index * 5), rss: 0, resources: 0 }))

describe("growthPerMinute", () => {
  it.each([0, 1000, -1000])("finds %d bytes a second, whatever a few looks say", perSecond => {
    const seen = samples(seconds => 5e7 + perSecond * seconds + (seconds % 50 === 0 ? 1e6 : 0))
    expect(growthPerMinute(seen, ({ heap }) => heap)).toBeCloseTo(60 * perSecond, 3)
  })

  it("is none for a single look", () => {
    expect(growthPerMinute(samples(() => 1).slice(0, 1), ({ heap }) => heap)).toBe(0)
  })
})
