import { createHash } from "node:crypto"
import { start, type WalkPosition } from "./account-walk.js"

/** Where `syncUsers` goes on: through Keycloak's accounts, then through the store's rows, then through those to be removed. */
export type SyncPlace = AccountsPlace | RowsPlace | RemovalPlace

export interface AccountsPlace {
  readonly phase: "accounts"
  readonly position: WalkPosition
  readonly createdAfter: Date | null
}

/** Rows of all runs that led to a place, since what is too many depends on all of them. */
export interface RowCounts {
  readonly checked: number
  /** Without account. */
  readonly missing: number
}

export interface RowsPlace extends RowCounts {
  readonly phase: "rows"
  readonly after: string | null
}

export interface RemovalPlace extends RowCounts {
  readonly phase: "removal"
  readonly after: string | null
  readonly removed: number
}

/** A place as text that another process may be given; it holds no names, and fits one issuer only. */
export function writeCursor(issuer: string, place: SyncPlace): string {
  const where =
    place.phase === "accounts"
      ? {
          phase: "accounts",
          ...place.position,
          since: place.createdAfter === null ? null : place.createdAfter.getTime(),
        }
      : place
  // The blank keeps it from beginning as a token does, since it stands on errors that get logged.
  return Buffer.from(` ${JSON.stringify({ v: 1, of: digestOf(issuer), ...where })}`).toString("base64url")
}

/** Null for what `writeCursor` never wrote, or wrote for another issuer. */
export function readCursor(issuer: string, cursor: unknown): SyncPlace | null {
  const { v, of, phase, ...where } = membersOf(cursor)
  if (v !== 1 || of !== digestOf(issuer)) return null
  return phase === "accounts" ? accountsPlace(where) : rowsPlace(phase, where)
}

function accountsPlace({ first, marks, since }: Record<string, unknown>): SyncPlace | null {
  if (!isCount(first) || !Array.isArray(marks) || !marks.every(mark => typeof mark === "string")) return null
  if (since !== null && !Number.isSafeInteger(since)) return null
  const position = first === 0 ? start : { first, marks }
  return { phase: "accounts", position, createdAfter: since === null ? null : new Date(since as number) }
}

function rowsPlace(phase: unknown, { after, checked, missing, removed }: Record<string, unknown>): SyncPlace | null {
  if (!(after === null || typeof after === "string") || !isCount(checked) || !isCount(missing)) return null
  if (phase === "rows") return { phase, after, checked, missing }
  return phase === "removal" && isCount(removed) ? { phase, after, checked, missing, removed } : null
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function membersOf(cursor: unknown): Record<string, unknown> {
  if (typeof cursor !== "string") return {}
  try {
    return Object(JSON.parse(Buffer.from(cursor, "base64url").toString()))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function digestOf(issuer: string): string {
  return createHash("sha256").update(issuer).digest("base64url").slice(0, 12)
}
