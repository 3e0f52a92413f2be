/** The known name that somebody meant by another spelling, or by a slip of two letters at most; null for none. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  const wanted = spelling(name)
  let nearest: string | null = null
  let least = Math.min(3, Math.floor(wanted.length / 3) + 1)
  for (const one of known) {
    const slips = distance(wanted, spelling(one))
    if (slips < least) [nearest, least] = [one, slips]
  }
  return nearest
}

/** A name as all ways of writing it have it: `client_id`, `client-id` and `clientId` are one. */
export function spelling(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, "")
}

/** How many letters have to be put in, left out, replaced or swapped with their neighbour. */
function distance(one: string, other: string): number {
  // Nobody means a name by one that is so much longer.
  if (Math.abs(one.length - other.length) > 2) return Number.POSITIVE_INFINITY
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: other.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = cell(last, j - 1) + (one[i - 1] === other[j - 1] ? 0 : 1)
      const isSwapped = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const swapped = isSwapped ? cell(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, replaced, swapped))
    }
    ;[beforeLast, last] = [last, row]
  }
  return cell(last, other.length)
}

function cell(row: readonly number[], at: number): number {
  return row[at] ?? Number.POSITIVE_INFINITY
}
