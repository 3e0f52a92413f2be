import { createHash } from "node:crypto"
import { start, type WalkPosition } from "./user/account-walk.js"

/** Where `syncUsers` goes on: first through Keycloak's accounts, then through the store's rows. */
export type SyncPlace =
  | { readonly phase: "accounts"; readonly position: WalkPosition; readonly createdAfter: Date | null }
  | { readonly phase: "rows"; readonly after: string | null }

/** A place as text that another process may be given; it holds no names, and fits one issuer only. */
export function writeCursor(issuer: string, place: SyncPlace): string {
  const where =
    place.phase === "rows"
      ? { after: place.after }
      : { ...place.position, since: place.createdAfter === null ? null : place.createdAfter.getTime() }
  return Buffer.from(JSON.stringify({ v: 1, of: digestOf(issuer), phase: place.phase, ...where })).toString("base64url")
}

/** Null for what `writeCursor` never wrote, or wrote for another issuer. */
export function readCursor(issuer: string, cursor: unknown): SyncPlace | null {
  const { v, of, phase, first, marks, since, after } = membersOf(cursor)
  if (v !== 1 || of !== digestOf(issuer)) return null
  if (phase === "rows" && (after === null || typeof after === "string")) return { phase, after }
  if (phase !== "accounts" || !Number.isSafeInteger(first) || (first as number) < 0) return null
  if (!Array.isArray(marks) || !marks.every(mark => typeof mark === "string")) return null
  if (since !== null && !Number.isSafeInteger(since)) return null
  const position = first === 0 ? start : { first: first as number, marks }
  return { phase, position, createdAfter: since === null ? null : new Date(since as number) }
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
