/** Calls a function of the application's that is to hear of something, and goes on whatever becomes of it. */
export type QuietCall = <Told>(listener: (told: Told) => unknown, told: Told, about: string) => void

/**
 * What an application's listener throws must not turn a verified request into a failed one, nor end the process.
 *
 * `name` is what the option is called.
 */
export function createQuietCall(name: string, elapsed: () => number): QuietCall {
  let warnedAt = Number.NEGATIVE_INFINITY

  function failed(about: string, thrown: unknown): void {
    if (elapsed() - warnedAt < 60_000) return
    warnedAt = elapsed()
    // Not what was thrown: it may hold anything, and what was told with it.
    process.emitWarning(
      `${name} failed (${kindOf(thrown)}) when it heard of ${about}. Nothing else fails for that. What it threw is not ` +
        "shown, since it may hold secrets: catch it there. This is told once a minute at most.",
      { type: "KeycloakGateWarning", code: name },
    )
  }

  return (listener, told, about) => {
    try {
      const returned = listener(told)
      if (typeof returned !== "object" || returned === null) return
      // An async function fits the type, and a rejection that nobody handles ends the process. `resolve` takes any thenable.
      new Promise(resolve => resolve(returned)).catch((error: unknown) => failed(about, error))
    } catch (error) {
      failed(about, error)
    }
  }
}

/** The name of what was thrown, if it is one that no value could pass for. */
function kindOf(thrown: unknown): string {
  try {
    const name = thrown instanceof Error ? thrown.name : typeof thrown
    return /^[A-Z][a-zA-Z]{0,30}$/.test(name) ? name : "no Error"
  } catch {
    return "no Error"
  }
}
