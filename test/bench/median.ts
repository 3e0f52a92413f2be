/** Of one group of measurements. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
  /** Half of the values are between these two. */
  readonly quartiles: readonly [number, number]
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? 0
  return { median: median(values), lowest: at(0), highest: at(1), quartiles: [at(0.25), at(0.75)] }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}
