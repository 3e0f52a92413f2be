/** One look at the process, with nothing under way. */
export interface Sample {
  readonly seconds: number
  readonly heap: number
  readonly rss: number
  readonly resources: number
  /** Entries of the caches whose size swings between their bound and twice of it. */
  readonly swinging: number
}

/**
 * By how much a value grows in a second, with what swings taken out: the least squares of
 * `value = a + b · seconds + c · swinging`, and of it `b`.
 */
export function growth(samples: readonly Sample[], value: (sample: Sample) => number): number {
  if (samples.length < 3) return 0
  const t = centred(samples.map(({ seconds }) => seconds))
  const s = centred(samples.map(({ swinging }) => swinging))
  const v = centred(samples.map(value))
  const [tt, ss, ts, tv, sv] = [dot(t, t), dot(s, s), dot(t, s), dot(t, v), dot(s, v)]
  const determinant = tt * ss - ts * ts
  // Where nothing swings, or only together with the time, there is nothing to take out.
  return determinant < 1e-6 * tt * ss || ss === 0 ? tv / tt : (tv * ss - sv * ts) / determinant
}

function centred(values: readonly number[]): readonly number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map(value => value - mean)
}

function dot(some: readonly number[], others: readonly number[]): number {
  return some.reduce((sum, value, index) => sum + value * (others[index] ?? 0), 0)
}
