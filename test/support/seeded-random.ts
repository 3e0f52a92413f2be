/** Numbers from 0 up to, not including, 1: the same ones for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A seed to print, so that a run can be repeated: `SEED=… npm test`. */
export function chosenSeed(): number {
  return Number(process.env.SEED ?? Date.now() % 1_000_000)
}
