import { GateError } from "../errors.js"
import { kindOf } from "../option-reader.js"
import { createTimeLimit } from "../users/in-time.js"
import type { LegacyCredentials, LegacyLoginSettings } from "./legacy-login.js"

/** The application's own functions of `legacyLogin`, each of which has its time and no more. */
export interface AskedApplication {
  readonly mayTry: (username: string) => Promise<boolean>
  /** Whatever it answers. */
  readonly verify: (credentials: LegacyCredentials) => Promise<unknown>
  /** Ends what is under way with `closed`, and begins nothing more. */
  readonly close: () => void
}

/**
 * What the functions throw comes through untouched, and what takes too long is `store_unavailable`. `elapsed`: milliseconds
 * of a clock that is never set back.
 */
export function askApplication(
  { application, timeoutMs }: LegacyLoginSettings,
  elapsed: () => number,
): AskedApplication {
  const limit = createTimeLimit({
    limitMs: timeoutMs,
    elapsed,
    expired: call => tooSlow(call, timeoutMs),
    settledInTime: () => undefined,
  })
  let isClosed = false

  async function run<Value>(call: string, work: (signal: AbortSignal) => Value | PromiseLike<Value>): Promise<Value> {
    if (isClosed) throw closed(call)
    const ending = new AbortController()
    try {
      return await limit.run(call, () => work(ending.signal))
    } catch (error) {
      ending.abort(error)
      throw error
    }
  }

  return {
    async mayTry(username) {
      if (application.limit === undefined) return true
      const may: unknown = await run("limit", () => application.limit?.({ username }))
      if (typeof may === "boolean") return may
      throw new GateError(
        "config_invalid",
        `\`legacyLogin.limit\` has to answer true or false, and answered ${kindOf(may)}.`,
      )
    },
    verify: ({ username, password }) =>
      run<unknown>("verify", signal => application.verify({ username, password }, { signal })),
    close() {
      isClosed = true
      limit.close(closed)
    },
  }
}

function tooSlow(call: string, limitMs: number): GateError {
  return new GateError(
    "store_unavailable",
    `\`legacyLogin.${call}\` did not settle within ${limitMs} ms (\`legacyLogin.timeoutMs\`). The caller gets 503, nobody was ` +
      "moved, and the next login asks again. Give what it waits for a limit below that, so that it says itself what is wrong.",
  )
}

function closed(call: string): GateError {
  return new GateError("closed", `The gate was closed with close() before \`legacyLogin.${call}\` had settled.`)
}
