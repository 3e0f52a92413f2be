import { describe, expect, it } from "vitest"
import { createAskedOnce } from "../../src/keycloak/asked-once.js"

/** A clock that stands, and questions whose answers come when the test lets them. */
function setUp(cacheSeconds: number) {
  const time = { now: 1_800_000_000_000 }
  const pending: ((answer: string | Error) => void)[] = []
  const askOnce = createAskedOnce<string>({ cacheSeconds, now: () => time.now })
  let asked = 0
  const late = 1_800_000_300
  const ask = (token: string, exp: unknown = late) =>
    askOnce(token, exp, () => {
      asked += 1
      return new Promise((resolve, reject) => {
        pending.push(answer => (answer instanceof Error ? reject(answer) : resolve(answer)))
      })
    })
  function settleAll(outcome: string | Error): void {
    for (const settle of pending.splice(0)) settle(outcome)
  }
  async function answer(token: string, exp?: unknown): Promise<string> {
    const question = ask(token, exp)
    settleAll("yes")
    return question
  }
  return {
    time,
    ask,
    answer,
    asked: () => asked,
    settleAll,
  }
}

describe("createAskedOnce", () => {
  it("asks once for many that wait for the same", async () => {
    const { ask, settleAll, asked } = setUp(0)
    const all = Array.from({ length: 100 }, () => ask("token"))
    settleAll("yes")
    expect(new Set(await Promise.all(all))).toEqual(new Set(["yes"]))
    expect(asked()).toBe(1)
  })

  it("asks about every token on its own, also about those that differ in their signature alone", async () => {
    const { ask, settleAll, asked } = setUp(60)
    const all = [ask("a.b.c"), ask("a.b.d"), ask("a.b.cd")]
    settleAll("yes")
    await Promise.all(all)
    expect(asked()).toBe(3)
  })

  it("shares a failure among those that wait, and asks again afterwards", async () => {
    const { ask, answer, settleAll, asked } = setUp(60)
    const both = [ask("token"), ask("token")]
    settleAll(new Error("down"))
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    expect(await answer("token")).toBe("yes")
    expect(asked()).toBe(2)
  })

  it("asks again each time when nothing is to be remembered", async () => {
    const { answer, asked } = setUp(0)
    await answer("token")
    await answer("token")
    expect(asked()).toBe(2)
  })

  it("remembers an answer for the given time, counted from the question", async () => {
    const { time, ask, answer, settleAll, asked } = setUp(10)
    const slow = ask("token")
    time.now += 6000
    settleAll("yes")
    await slow
    time.now += 3999
    await answer("token")
    expect(asked()).toBe(1)
    time.now += 1
    await answer("token")
    expect(asked()).toBe(2)
  })

  it("never answers beyond exp", async () => {
    const { time, answer, asked } = setUp(300)
    const exp = time.now / 1000 + 2
    await answer("token", exp)
    time.now += 1999
    await answer("token", exp)
    expect(asked()).toBe(1)
    time.now += 1
    await answer("token", exp)
    expect(asked()).toBe(2)
  })

  it.each(["1900000000", null, Number.NaN])("remembers nothing about a token whose exp is %s", async exp => {
    const { answer, asked } = setUp(60)
    await answer("token", exp)
    await answer("token", exp)
    expect(asked()).toBe(2)
  })

  it("asks again when the clock was set back", async () => {
    const { time, answer, asked } = setUp(60)
    await answer("token")
    time.now -= 3_600_000
    await answer("token")
    expect(asked()).toBe(2)
  })

  it("remembers a bounded number of answers, the latest ones", async () => {
    const { answer, asked } = setUp(60)
    for (let index = 0; index <= 10_000; index++) await answer(`token ${index}`)
    await answer("token 10000")
    await answer("token 1")
    expect(asked()).toBe(10_001)
    await answer("token 0")
    expect(asked()).toBe(10_002)
  })
})
