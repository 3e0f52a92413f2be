/** One look at the process, with nothing under way. */
export interface Sample {
  readonly seconds: number
  readonly heap: number
  readonly rss: number
  readonly resources: number
}

/** By how much a value grows in a minute: the median of the slopes between any two looks, so that no single one counts. */
export function growthPerMinute(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const slopes = samples.flatMap((first, index) =>
    samples.slice(index + 1).map(last => (60 * (value(last) - value(first))) / (last.seconds - first.seconds)),
  )
  return slopes.sort((one, other) => one - other)[Math.floor(slopes.length / 2)] ?? 0
}
