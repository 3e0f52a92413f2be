import { describe, expect, it } from "vitest"
import { loadOnce } from "../src/load-once.js"

describe("loadOnce", () => {
  it("loads once for all who ask, and hands out what it has loaded ever after", async () => {
    let loads = 0
    const load = loadOnce(async () => ({ number: ++loads }))
    const [first, second] = await Promise.all([load(), load()])
    expect([first, second, await load()]).toEqual([{ number: 1 }, { number: 1 }, { number: 1 }])
  })

  it("tells a failure to all who wait, and loads anew with the next call", async () => {
    let loads = 0
    const load = loadOnce(async () => {
      loads += 1
      if (loads === 1) throw new Error("not there yet")
      return "loaded"
    })
    const failures = await Promise.allSettled([load(), load()])
    expect(failures.map(({ status }) => status)).toEqual(["rejected", "rejected"])
    expect([await load(), loads]).toEqual(["loaded", 2])
  })
})
