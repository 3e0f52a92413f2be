import { describe, expect, it } from "vitest"
import { cachedUserStore } from "../../src/users/cached-user-store.js"
import type { CustomSettings } from "../../src/users/custom-profile.js"
import { memoryUserStore } from "../../src/users/memory-user-store.js"
import type { Principal } from "../../src/verify/principal.js"
import { ada, principal, rowsOn } from "./rows.ts"

const proven = (one: Principal<null>) => ({ principal: one, claims: one.claims })

/** Rows of which each is remembered once it was found or saved. */
function cachedRows(customProfile: Partial<CustomSettings> = {}) {
  const store = memoryUserStore()
  const cached = cachedUserStore(store, { seconds: 3600 })
  const rows = rowsOn(cached, { customProfile })
  return { store, cached, ...rows, peek: (one: Principal<null>) => rows.peekUser?.(proven(one)) }
}

describe("the row of a principal at once", () => {
  it("is never there in a store that can't peek", () => {
    expect(rowsOn(memoryUserStore()).peekUser).toBeNull()
  })

  it.each([
    ["a promise of one", async () => ({ plan: "pro" })],
    ["a promise that rejects", () => Promise.reject(new Error("no database"))],
    ["null", () => null],
  ])("is not there where the store gives %s", async (_, peekUser) => {
    const { syncUser, peekUser: peek } = rowsOn({ ...memoryUserStore(), peekUser: peekUser as never })
    await syncUser(principal())
    expect(peek?.(proven(principal()))).toBeUndefined()
  })

  it("is there after the first sight of a person, which saves it", async () => {
    const { syncUser, cached, peek } = cachedRows()
    await cached.saveUser({ ...ada, ...(await rowsOn(memoryUserStore()).syncUser(principal())) })
    expect(peek(principal())).toBeUndefined()
    const row = await syncUser(principal())
    expect(peek(principal())).toBe(row)
  })

  it("is not there for a later token until its values were looked at", async () => {
    const { syncUser, peek } = cachedRows()
    await syncUser(principal())
    const same = principal({ iat: 2000 })
    expect(peek(same)).toBeUndefined()
    expect(peek(principal())).toBeDefined()
    await syncUser(same)
    expect(peek(same)).toMatchObject({ email: "ada@example.test" })
    const other = principal({ iat: 3000, email: "new@example.test" })
    expect(peek(other)).toBeUndefined()
    await syncUser(other)
    expect(peek(other)).toMatchObject({ email: "new@example.test" })
    expect(peek(principal())).toMatchObject({ email: "new@example.test" })
  })

  it("is there for later tokens that tell no profile, such as lightweight ones", async () => {
    const { syncUser, peek } = cachedRows()
    await syncUser(principal())
    const silent = principal({ iat: 2000, scope: "", preferred_username: undefined, email: undefined })
    await syncUser(silent)
    expect(peek(silent)).toMatchObject({ email: "ada@example.test" })
  })

  it("is not there while a token may tell other custom values", async () => {
    const { syncUser, saveRegistered, peek } = cachedRows({ fromClaims: ({ plan }) => ({ plan }) })
    await saveRegistered(
      { ...ada, ...(await rowsOn(memoryUserStore()).syncUser(principal())), customAsOf: new Date(0) },
      undefined,
    )
    const token = principal({ plan: "pro" })
    expect(peek(token)).toBeUndefined()
    await syncUser(token)
    expect(peek(token)).toMatchObject({ custom: { plan: "pro" } })
  })

  it("is not there for a token from before a removal, even where the person is back", async () => {
    const { syncUser, removeUser, peek } = cachedRows()
    await syncUser(principal())
    await removeUser(ada)
    expect(peek(principal())).toBeUndefined()
    const later = principal({ iat: 2001 })
    await syncUser(later)
    expect(peek(later)).toBeDefined()
    expect(peek(principal())).toBeUndefined()
    await expect(syncUser(principal())).rejects.toMatchObject({ reason: "revoked" })
  })

  it("is not there where the store has forgotten it", async () => {
    const { syncUser, cached, peek } = cachedRows()
    await syncUser(principal())
    cached.forget(ada)
    expect(peek(principal())).toBeUndefined()
    await syncUser(principal())
    expect(peek(principal())).toBeDefined()
  })
})
