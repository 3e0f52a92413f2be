import { setTimeout as delay } from "node:timers/promises"
import { isGateError } from "../../src/index.js"
import { startOwnClock } from "./own-clock.ts"
import { seededRandom } from "./seeded-random.ts"

/** One kind of request, and how many of it there are beside the others. */
export interface Kind {
  readonly name: string
  readonly share: number
  readonly send: () => Promise<unknown>
}

/** What one request came to; `code` is null for an answer that is no refusal. */
export interface Answer {
  readonly kind: string
  readonly status: number
  readonly code: string | null
  /** How long it took, by the clock of `startOwnClock`. */
  readonly ms: number
  /** By `performance.now()`. */
  readonly at: number
  readonly message: string
}

export interface Traffic {
  /** Sends no more; returns when all has been answered. */
  readonly stop: () => Promise<void>
}

/** So many requests a second, whether the ones before have been answered or not, as callers do. */
export function startTraffic(
  kinds: readonly Kind[],
  perSecond: number,
  seed: number,
  hear: (answer: Answer) => void,
): Traffic {
  const random = seededRandom(seed)
  const total = kinds.reduce((sum, { share }) => sum + share, 0)
  const underWay = new Set<Promise<void>>()
  const clock = startOwnClock()
  const begun = performance.now()
  let sent = 0
  let isStopped = false

  function oneKind(): Kind {
    let left = random() * total
    const found = kinds.find(({ share }) => {
      left -= share
      return left < 0
    })
    return found ?? (kinds[0] as Kind)
  }

  async function send({ name, send }: Kind): Promise<void> {
    const started = clock.now()
    const error: unknown = await send().then(
      () => null,
      (reason: unknown) => reason ?? new Error("nothing was thrown"),
    )
    hear({ kind: name, at: performance.now(), ms: clock.now() - started, ...outcomeOf(error) })
  }

  async function run(): Promise<void> {
    for (; !isStopped; await delay(10)) {
      for (; sent < ((performance.now() - begun) * perSecond) / 1000; sent++) {
        const request = send(oneKind()).finally(() => underWay.delete(request))
        underWay.add(request)
      }
    }
  }

  const running = run()
  return {
    async stop() {
      isStopped = true
      await running
      await Promise.all(underWay)
      clock.stop()
    },
  }
}

/** As an adapter would answer: what is not the gate's own error is the application's 500. */
function outcomeOf(error: unknown): Pick<Answer, "status" | "code" | "message"> {
  if (error === null) return { status: 200, code: null, message: "" }
  if (isGateError(error)) return { status: error.status, code: error.code, message: error.message }
  return { status: 500, code: "not ours", message: String(error) }
}
