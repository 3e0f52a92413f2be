import { GateError } from "../../errors.js"
import type { RowCounts } from "./sync-cursor.js"

/**
 * Whether so many rows without account are a mistake rather than people who have left: more than 20 and a tenth of all, or
 * more than half of at least five. `maxMissing` takes the place of all of it.
 */
export function areTooMany({ checked, missing }: RowCounts, maxMissing: number | undefined): boolean {
  if (maxMissing !== undefined) return missing > maxMissing
  return (missing > 20 && missing > checked / 10) || areMost({ checked, missing })
}

/** The first rows alone, before anything is done; a tenth of so few says nothing. */
export function areTooManyAtFirst(counts: RowCounts, maxMissing: number | undefined): boolean {
  return maxMissing === undefined ? areMost(counts) : areTooMany(counts, maxMissing)
}

function areMost({ checked, missing }: RowCounts): boolean {
  return checked >= 5 && missing > checked / 2
}

/** `done`: what has become of the rows so far. */
export function tooManyMissing({ checked, missing }: RowCounts, done: string): GateError {
  return new GateError(
    "keycloak_refused_us",
    `syncUsers stopped: Keycloak has no account for ${missing} of ${checked} rows of this issuer. ${done} A realm that was ` +
      "imported anew has other subjects; or another Keycloak answers at this address, or its database is one of before. Bring " +
      "the realm back that these rows are of. If their accounts are gone indeed, say with `maxMissing` how many rows may go, " +
      "and go on from the error's `cursor`.",
  )
}
