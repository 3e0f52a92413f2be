import { createQuietCall } from "./quiet-call.js"

/** Hands the application what goes on beside its requests; nobody minds what becomes of that there. */
export function createBackground(
  background: ((work: Promise<unknown>) => void) | null,
  elapsed: () => number,
): (work: Promise<unknown>) => void {
  // Whoever waits for the work hears of its failure.
  const nobody = () => undefined
  if (background === null) return work => void work.catch(nobody)
  const call = createQuietCall("background", elapsed)
  return work => call(background, work.then(nobody, nobody), "work beside a request")
}
