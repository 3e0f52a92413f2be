import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import type { Claims } from "../../src/verify/claims.js"
import { type Principal, toPrincipal } from "../../src/verify/principal.js"
import { createPrincipalCache } from "../../src/verify/principal-cache.js"

const seconds = 1_800_000_000

/** A cache of three by default, with a clock and a key that can be taken back. */
function cacheOf(maxTokens = 3) {
  const world = { now: seconds * 1000, published: true, key: {} }
  const isPublished = (key: object) => world.published && key === world.key
  const cache = createPrincipalCache({ maxTokens, clockToleranceSeconds: 5, isPublished, now: () => world.now })
  const add: (header: string, principal: Principal<null>, key: object) => void = (header, principal, key) =>
    cache.add(header, principal, principal.claims, key)
  return { world, find: (header: string) => cache.find(header)?.principal ?? null, add }
}

function principalOf(subject: string, claims: Partial<Claims> = {}) {
  return toPrincipal({ sub: subject, exp: seconds + 300, iat: seconds, ...claims } as Claims, subject)
}

/** Headers that end in noise, as signatures do. */
const header = (name: string) => `Bearer header.payload.${createHash("sha256").update(name).digest("base64url")}`

describe("createPrincipalCache", () => {
  it("finds a principal by an equal header, whatever string object holds it", () => {
    const { add, find, world } = cacheOf()
    const ada = principalOf("ada")
    add(header("ada"), ada, world.key)
    expect(find(Buffer.from(header("ada")).toString())).toBe(ada)
    expect(find(header("bob"))).toBeNull()
  })

  it.each(["", "B", "Bearer", "Bearer x"])("finds nothing in the short header %j", short => {
    const { add, find, world } = cacheOf()
    add(header("ada"), principalOf("ada"), world.key)
    expect(find(short)).toBeNull()
  })

  it("compares the whole header: one that differs before its end, or in its last character, is another", () => {
    const { add, find, world } = cacheOf()
    add(header("ada"), principalOf("ada"), world.key)
    expect(find(header("ada").replace("payload", "payloae"))).toBeNull()
    expect(find(header("ada").replace("Bearer", "bearer"))).toBeNull()
    expect(find(`${header("ada").slice(0, -1)}~`)).toBeNull()
    expect(find(`${header("ada")}=`)).toBeNull()
  })

  it("keeps the later of two whose headers end alike, and never takes one for the other", () => {
    const { add, find, world } = cacheOf()
    const [one, other] = [`one${header("same")}`, `other${header("same")}`]
    add(one, principalOf("one"), world.key)
    add(other, principalOf("other"), world.key)
    expect(find(one)).toBeNull()
    expect(find(other)?.subject).toBe("other")
    for (const name of ["b", "c", "d", "e"]) add(header(name), principalOf(name), world.key)
    expect([one, other, ...["b", "c", "d", "e"].map(header)].filter(name => find(name) !== null)).toHaveLength(3)
  })

  it("finds a token no longer than it is valid, by the tolerance of the clock", () => {
    const { add, find, world } = cacheOf()
    add(header("ada"), principalOf("ada"), world.key)
    world.now = (seconds + 305) * 1000 - 1
    expect(find(header("ada"))).not.toBeNull()
    world.now += 1
    expect(find(header("ada"))).toBeNull()
  })

  it.each([{ iat: seconds }, { iat: seconds - 60, nbf: seconds }])(
    "finds no token of the future after the clock was set back, by %o",
    claims => {
      const { add, find, world } = cacheOf()
      add(header("ada"), principalOf("ada", claims), world.key)
      world.now = (seconds - 5) * 1000
      expect(find(header("ada"))).not.toBeNull()
      world.now -= 1
      expect(find(header("ada"))).toBeNull()
    },
  )

  it("finds a token without iat and nbf", () => {
    const { add, find, world } = cacheOf()
    const { iat: _, ...claims } = principalOf("ada").claims
    add(header("ada"), toPrincipal(claims as unknown as Claims, "ada"), world.key)
    expect(find(header("ada"))?.subject).toBe("ada")
  })

  it("finds nothing whose key is no longer published", () => {
    const { add, find, world } = cacheOf()
    add(header("ada"), principalOf("ada"), world.key)
    world.published = false
    expect(find(header("ada"))).toBeNull()
    world.published = true
    expect(find(header("ada"))).not.toBeNull()
    world.key = {}
    expect(find(header("ada"))).toBeNull()
  })

  it("never holds more than it may, and lets those go first that were not asked for", () => {
    const { add, find, world } = cacheOf(3)
    for (const name of ["a", "b", "c"]) add(header(name), principalOf(name), world.key)
    expect(find(header("b"))).not.toBeNull()
    add(header("d"), principalOf("d"), world.key)
    expect(find(header("a"))).toBeNull()
    add(header("e"), principalOf("e"), world.key)
    expect(["b", "d", "e"].map(name => find(header(name))?.subject)).toEqual(["b", "d", "e"])
    expect(find(header("c"))).toBeNull()
  })

  it("makes room also when all were asked for", () => {
    const { add, find, world } = cacheOf(3)
    for (const name of ["a", "b", "c"]) add(header(name), principalOf(name), world.key)
    for (const name of ["a", "b", "c"]) find(header(name))
    add(header("d"), principalOf("d"), world.key)
    expect(["a", "b", "c", "d"].filter(name => find(header(name)) !== null)).toEqual(["b", "c", "d"])
  })

  it("takes the newer principal of a header that is added again", () => {
    const { add, find, world } = cacheOf()
    add(header("ada"), principalOf("ada"), world.key)
    const newer = principalOf("ada")
    add(header("ada"), newer, world.key)
    expect(find(header("ada"))).toBe(newer)
  })

  it("holds ten thousand when it may, each found again", () => {
    const { add, find, world } = cacheOf(10_000)
    const names = Array.from({ length: 10_000 }, (_, index) => `${index}`)
    for (const name of names) add(header(name), principalOf(name), world.key)
    expect(names.filter(name => find(header(name))?.subject === name).length).toBeGreaterThan(9_990)
  })

  it("remembers nothing when it may hold none", () => {
    const { add, find, world } = cacheOf(0)
    add(header("ada"), principalOf("ada"), world.key)
    expect(find(header("ada"))).toBeNull()
  })
})
