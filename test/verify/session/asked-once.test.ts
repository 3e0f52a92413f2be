import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GateError } from "../../../src/errors.js"
import { createAskedOnce } from "../../../src/verify/session/asked-once.js"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const timeoutMs = 1000
const late = 1_800_000_300

/** Questions whose answers come when the test lets them, on clocks that stand. */
function setUp(cacheSeconds = 0) {
  const time = { now: 1_800_000_000_000, elapsed: 5000 }
  const askOnce = createAskedOnce<string>({
    url: "https://sso.example.test/introspect",
    cacheSeconds,
    timeoutMs,
    background: () => undefined,
    now: () => time.now,
    elapsed: () => time.elapsed,
  })
  const sent: { readonly token: string; readonly settle: (outcome: string | Error) => void }[] = []

  /** Settles to the answer or to the code of its failure; what can be sent at once is sent afterwards. */
  async function ask(token = "token", exp: unknown = late) {
    const outcome = askOnce(token, exp, async () => {
      return new Promise((resolve, reject) => {
        sent.push({ token, settle: answer => (answer instanceof Error ? reject(answer) : resolve(answer)) })
      })
    }).catch(error => error.code ?? error.message)
    await flush()
    return { outcome }
  }
  async function answer(index: number, outcome: string | Error = "yes"): Promise<void> {
    sent[index]?.settle(outcome)
    await flush()
  }
  async function askAndAnswer(token?: string, exp?: unknown): Promise<string> {
    const before = sent.length
    const { outcome } = await ask(token, exp)
    if (sent.length > before) await answer(before)
    return outcome
  }
  function pass(milliseconds: number): Promise<unknown> {
    time.now += milliseconds
    time.elapsed += milliseconds
    return vi.advanceTimersByTimeAsync(milliseconds)
  }
  return { time, askOnce, ask, answer, askAndAnswer, pass, sent: () => sent.length }
}

const flush = () => vi.advanceTimersByTimeAsync(0)

describe("a question about a token", () => {
  it("is shared by all who ask before it is sent", async () => {
    const { askOnce } = setUp()
    const question = vi.fn(async () => "yes")
    const all = await Promise.all(Array.from({ length: 100 }, () => askOnce("token", late, question)))
    expect(new Set(all)).toEqual(new Set(["yes"]))
    expect(question).toHaveBeenCalledOnce()
  })

  it("that was sent answers nobody who asks afterwards", async () => {
    const { ask, answer, sent } = setUp()
    const before = await ask()
    const after = await ask()
    await answer(0, "active")
    await answer(1, "ended")
    expect([await before.outcome, await after.outcome]).toEqual(["active", "ended"])
    expect(sent()).toBe(2)
  })

  it("waits while another is under way, and is shared by all who come meanwhile", async () => {
    const { ask, answer, sent } = setUp()
    const first = await ask()
    const meanwhile = await Promise.all(Array.from({ length: 100 }, () => ask()))
    expect(sent()).toBe(1)
    await answer(0, "first")
    expect(sent()).toBe(2)
    const next = await ask()
    await answer(1, "second")
    await answer(2, "third")
    expect(await first.outcome).toBe("first")
    expect(new Set(await Promise.all(meanwhile.map(({ outcome }) => outcome)))).toEqual(new Set(["second"]))
    expect(await next.outcome).toBe("third")
    expect(sent()).toBe(3)
  })

  it("is sent a quarter of the time-out later when the one before it is not answered", async () => {
    const { ask, answer, pass, sent } = setUp()
    const [first, second] = [await ask(), await ask()]
    await pass(timeoutMs / 4 - 1)
    expect(sent()).toBe(1)
    await pass(1)
    expect(sent()).toBe(2)
    await answer(1, "second")
    expect(await second.outcome).toBe("second")
    await answer(0, "first")
    expect(await first.outcome).toBe("first")
    expect(sent()).toBe(2)
  })

  it("is answered or given up within one time-out, waiting included", async () => {
    const { ask, pass, sent } = setUp()
    await ask()
    await pass(100)
    const { outcome } = await ask()
    let settled: string | null = null
    void outcome.then(code => {
      settled = code
    })
    await pass(timeoutMs - 1)
    expect([settled, sent()]).toEqual([null, 2])
    await pass(1)
    expect(settled).toBe("keycloak_unavailable")
  })

  it("is one of few under way, however many ask while Keycloak hangs", async () => {
    const { ask, pass, sent } = setUp()
    for (let asked = 0; asked < 100; asked++) {
      await ask()
      await pass(timeoutMs / 100)
    }
    expect(sent()).toBe(4)
  })

  it("leaves no timer behind", async () => {
    const { ask, answer, pass } = setUp()
    for (let asked = 0; asked < 3; asked++) await ask()
    await answer(0)
    await answer(1)
    expect(vi.getTimerCount()).toBe(0)
    const [, waiting] = [await ask(), await ask()]
    await pass(timeoutMs)
    expect(await waiting.outcome).toBe("keycloak_unavailable")
    await answer(2)
    await answer(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it("shares its failure with those who joined it, and with nobody else", async () => {
    const { ask, answer } = setUp()
    const first = await ask()
    const both = [await ask(), await ask()]
    await answer(0, new Error("reset"))
    const last = await ask()
    await answer(1, new GateError("keycloak_refused_us", "x"))
    await answer(2, "yes")
    expect(await first.outcome).toBe("reset")
    expect(await Promise.all(both.map(({ outcome }) => outcome))).toEqual(Array(2).fill("keycloak_refused_us"))
    expect(await last.outcome).toBe("yes")
  })

  it("is one of its own for tokens that differ in their signature alone", async () => {
    const { ask, sent } = setUp(60)
    for (const token of ["a.b.c", "a.b.d", "a.b.cd"]) await ask(token)
    expect(sent()).toBe(3)
  })

  it("is put again each time when nothing is to be remembered", async () => {
    const { askAndAnswer, sent } = setUp(0)
    await askAndAnswer()
    await askAndAnswer()
    expect(sent()).toBe(2)
  })
})

describe("an answer that is remembered for cacheSeconds", () => {
  it("counts from the question", async () => {
    const { ask, answer, askAndAnswer, pass, sent } = setUp(10)
    await ask()
    await pass(6000)
    await answer(0)
    await pass(3999)
    await askAndAnswer()
    expect(sent()).toBe(1)
    await pass(1)
    await askAndAnswer()
    expect(sent()).toBe(2)
  })

  it("is for those too who ask while it is on its way, but for no longer", async () => {
    const { ask, answer, pass, sent } = setUp(0.5)
    const first = await ask()
    await pass(499)
    const joined = await ask()
    await pass(1)
    const after = await ask()
    await answer(0, "active")
    await answer(1, "ended")
    expect(await Promise.all([first, joined, after].map(({ outcome }) => outcome))).toEqual([
      "active",
      "active",
      "ended",
    ])
    expect(sent()).toBe(2)
  })

  it("is none that came too late to be remembered", async () => {
    const { ask, answer, askAndAnswer, pass, sent } = setUp(0.5)
    await ask()
    await pass(500)
    await answer(0)
    await askAndAnswer()
    expect(sent()).toBe(2)
  })

  it("is none beyond exp, by the clock of the wall", async () => {
    const { time, askAndAnswer, sent } = setUp(300)
    const exp = time.now / 1000 + 2
    await askAndAnswer("token", exp)
    time.now += 1999
    await askAndAnswer("token", exp)
    expect(sent()).toBe(1)
    time.now += 1
    await askAndAnswer("token", exp)
    expect(sent()).toBe(2)
  })

  it("grows old by a clock that nobody sets", async () => {
    const { time, askAndAnswer, sent } = setUp(60)
    await askAndAnswer()
    time.now -= 3_600_000
    time.elapsed += 59_999
    await askAndAnswer()
    expect(sent()).toBe(1)
    time.elapsed += 1
    await askAndAnswer()
    expect(sent()).toBe(2)
  })

  it("is none from a clock's future", async () => {
    const { time, askAndAnswer, sent } = setUp(60)
    await askAndAnswer()
    time.elapsed -= 1
    await askAndAnswer()
    expect(sent()).toBe(2)
  })

  it.each(["1900000000", null, Number.NaN])("is none about a token whose exp is %s", async exp => {
    const { askAndAnswer, sent } = setUp(60)
    await askAndAnswer("token", exp)
    await askAndAnswer("token", exp)
    expect(sent()).toBe(2)
  })

  it("is no failure", async () => {
    const { ask, answer, askAndAnswer, sent } = setUp(60)
    await ask()
    await answer(0, new Error("down"))
    expect(await askAndAnswer()).toBe("yes")
    expect(sent()).toBe(2)
  })

  it("is one of a bounded number, the latest ones", async () => {
    const { askOnce } = setUp(60)
    let asked = 0
    const askAbout = (token: string) => askOnce(token, late, async () => String(asked++))
    for (let index = 0; index <= 10_000; index++) await askAbout(`token ${index}`)
    await askAbout("token 10000")
    await askAbout("token 1")
    expect(asked).toBe(10_001)
    await askAbout("token 0")
    expect(asked).toBe(10_002)
  })
})
