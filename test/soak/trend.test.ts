import { describe, expect, it } from "vitest"
import { growth, type Sample } from "./trend.ts"

const samples = (heap: (seconds: number, swinging: number) => number): Sample[] =>
  Array.from({ length: 60 }, (_, index) => {
    const [seconds, swinging] = [index * 5, 50_000 + ((index * 1700) % 50_000)]
    return { seconds, swinging, heap: heap(seconds, swinging), rss: 0, resources: 0 }
  })

describe("growth", () => {
  it.each([0, 1000, -1000])("finds %d bytes a second beside a cache that swings", perSecond => {
    const found = growth(
      samples((seconds, swinging) => 5e7 + perSecond * seconds + 300 * swinging),
      ({ heap }) => heap,
    )
    expect(found).toBeCloseTo(perSecond, 3)
  })

  it("is the plain slope where nothing swings", () => {
    const still = samples(seconds => 5e7 + 10 * seconds).map(sample => ({ ...sample, swinging: 7 }))
    expect(growth(still, ({ heap }) => heap)).toBeCloseTo(10, 6)
  })
})
