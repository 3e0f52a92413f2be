import { beforeEach, describe, expect, it, vi } from "vitest"
import { GateError, invalidToken, tokenWarningOf } from "../../src/errors.js"
import { type Check, newlyProven, type Proven } from "../../src/verify/check.js"
import { type Claims, parseClaims } from "../../src/verify/claims.js"
import type { Principal } from "../../src/verify/principal.js"
import { createVerifyBearer, type VerifyBearerSteps } from "../../src/verify/verify-bearer.js"

const issuer = "https://sso.example.test/realms/shop"
const expected = { issuer, audience: "shop-api", clockToleranceSeconds: 5, now: Date.now }
const payload = () => ({ iss: issuer, sub: "s", aud: "shop-api", typ: "Bearer", exp: Date.now() / 1000 + 60, sid: "x" })
const key = {}

interface Changes extends Partial<Pick<VerifyBearerSteps<string>, "syncUser" | "peekUser">> {
  readonly checks?: readonly Check[]
}

/** The five steps around verifyBearer, each of which can be made to fail. */
function makeSteps({ checks = [], syncUser = null, peekUser = null }: Changes = {}) {
  const remembered = new Map<string, Proven & { key: object }>()
  const proveToken = vi.fn(async (_: string) => ({
    payload: payload() as Record<string, unknown>,
    key: key as object | null,
  }))
  const steps = {
    realm: "shop",
    maxTokenBytes: 300,
    assertOpen: vi.fn(),
    verification: {
      issuer,
      verifyToken: proveToken,
      parseClaims: (claims: Readonly<Record<string, unknown>>): Claims => parseClaims(claims, expected),
      verified: {
        find(header: string) {
          if (typeof header !== "string") throw new TypeError("a header is a string")
          return remembered.get(header) ?? null
        },
        add(header: string, principal: Principal<null>, claims: Claims, by: object) {
          const proven = { ...newlyProven(principal, claims), key: by }
          remembered.set(header, proven)
          return proven
        },
      },
      checks,
    },
    syncUser,
    peekUser,
    accepted: vi.fn(),
    report: vi.fn(),
  }
  return { ...steps, proveToken, remembered, ...createVerifyBearer<string>(steps) }
}

const checking = (assert: Check["assert"], passes = false): Check => ({ assert, passes: () => passes })

let world: ReturnType<typeof makeSteps>
beforeEach(() => {
  world = makeSteps()
})

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it was accepted"),
    (error: GateError) => error,
  )

function throwRevoked(): never {
  throw invalidToken("revoked", "x")
}

describe("verifyBearer", () => {
  it("hands the token alone to the next step, and tells who asks", async () => {
    expect(await world.verifyBearer("bearer abc")).toMatchObject({
      subject: "s",
      kind: "user",
      token: "abc",
      user: null,
    })
    expect(world.proveToken.mock.calls).toEqual([["abc"]])
    expect(world.report).not.toHaveBeenCalled()
  })

  it.each([[undefined], [null], [""], [[]], ["Basic YTpi"], [["Basic YTpi"]]])(
    "is null for %j, and credentials_missing where a guard stands",
    async authorization => {
      expect(await world.verifyBearer(authorization)).toBeNull()
      expect(world.report).not.toHaveBeenCalled()
      const error = await refusal(world.verifyBearer(authorization, {}))
      expect(error).toMatchObject({
        code: "credentials_missing",
        message: "Refused a request without Bearer credentials.",
        headers: { "WWW-Authenticate": 'Bearer realm="shop"' },
      })
      expect(world.report.mock.calls).toEqual([[error, null]])
      expect(world.proveToken).not.toHaveBeenCalled()
    },
  )

  it("remembers a header with the key that proved it, and asks nobody the second time", async () => {
    const first = await world.verifyBearer("Bearer abc")
    expect(world.remembered.get("Bearer abc")).toMatchObject({ principal: first, key })
    expect(await world.verifyBearer(["Bearer abc"])).toBe(first)
    expect(world.proveToken).toHaveBeenCalledOnce()
  })

  it("remembers nothing that no key of the realm has proven, and nothing that was refused", async () => {
    world.proveToken.mockResolvedValue({ payload: payload(), key: null })
    await world.verifyBearer("Bearer abc")
    world.proveToken.mockResolvedValue({ payload: { ...payload(), aud: "other" }, key })
    expect(await refusal(world.verifyBearer("Bearer def"))).toMatchObject({ reason: "audience" })
    expect(world.remembered.size).toBe(0)
  })

  it("guards what it remembers as it guards what is new", async () => {
    for (let sight = 1; sight <= 2; sight++) {
      const error = await refusal(world.verifyBearer("Bearer abc", { realmRoles: ["admin"] }))
      expect(error).toMatchObject({ code: "insufficient_scope", status: 403 })
      expect(error.headers["WWW-Authenticate"]).toContain('error="insufficient_scope"')
      expect(await world.verifyBearer("Bearer abc", {})).toMatchObject({ subject: "s" })
    }
  })

  it("checks requirements before it looks at any token", async () => {
    for (const requirements of [undefined, null, { realmRole: ["x"] }]) {
      expect(await refusal(world.verifyBearer("Bearer abc", requirements as never))).toMatchObject({
        code: "config_invalid",
      })
    }
    expect(world.proveToken).not.toHaveBeenCalled()
  })

  it("refuses two headers, an overlong token and a malformed header before any later step", async () => {
    const headers = [["Bearer a", "Bearer a"], `Bearer ${"a".repeat(301)}`, "Bearer", "Bearer\ta", 5 as never, "\u00e4"]
    const codes = []
    for (const header of headers) codes.push((await refusal(world.verifyBearer(header))).code)
    expect(codes).toEqual(["invalid_request", "invalid_token", ...Array(4).fill("invalid_request")])
    expect(world.proveToken).not.toHaveBeenCalled()
    expect(world.report).toHaveBeenCalledTimes(6)
    await world.verifyBearer(`Bearer ${"a".repeat(300)}`)
  })

  it("calls what is no single token a malformed request, whatever the verifier said of it", async () => {
    world.proveToken.mockRejectedValue(invalidToken("malformed", "x"))
    for (const token of ["a b", "a,b", '"a"', "a=b", "ä", " a", "a "]) {
      const error = await refusal(world.verifyBearer(`Bearer ${token}`))
      expect(error).toMatchObject({ code: "invalid_request", status: 400 })
      expect(error.headers["WWW-Authenticate"]).toContain('error="invalid_request"')
    }
    for (const token of ["a", "a.b.c", "a-_~+/9=="]) {
      const error = await refusal(world.verifyBearer(`Bearer ${token}`))
      expect(error).toMatchObject({ code: "invalid_token", status: 401 })
      expect(error.headers["WWW-Authenticate"]).toContain('error="invalid_token"')
    }
  })

  it("passes on what is not its own, without a challenge", async () => {
    const outage = new GateError("keycloak_unavailable", "x")
    for (const error of [outage, new TypeError("a bug")]) {
      world.proveToken.mockRejectedValue(error)
      expect(await refusal(world.verifyBearer("Bearer abc"))).toBe(error)
      expect(world.report).toHaveBeenLastCalledWith(error, "abc")
    }
    expect(outage.headers["WWW-Authenticate"]).toBeUndefined()
  })

  it("tells apart what is proven of a refused token, since only that may be warned of", async () => {
    const topic = async (header: string) => tokenWarningOf(await refusal(world.verifyBearer(header)))?.topic
    world.proveToken.mockRejectedValue(invalidToken("issuer", "says the token"))
    expect(await topic("Bearer abc")).toBeUndefined()
    world.proveToken.mockResolvedValue({ payload: { ...payload(), aud: "other" }, key })
    expect(await topic("Bearer abc")).toBe("proven")
    // Of a person or of a client: nobody can tell.
    const either = { ...payload(), azp: "shop", preferred_username: "service-account-shop" }
    world.proveToken.mockResolvedValue({ payload: either, key })
    expect(await topic("Bearer abc")).toBe("proven")
    const inactive = () => Promise.reject(invalidToken("audience", "says Keycloak"))
    world = makeSteps({ checks: [checking(inactive)] })
    for (const _ of ["new", "remembered"]) expect(await topic("Bearer abc")).toBe("proven")
  })

  it("tells of each token that is in date, new or remembered, and of no other", async () => {
    await refusal(world.verifyBearer("Bearer abc", { realmRoles: ["admin"] }))
    await world.verifyBearer("Bearer abc")
    expect(world.accepted).toHaveBeenCalledTimes(2)
    world.recall("Bearer abc")
    expect(world.accepted).toHaveBeenCalledTimes(3)
    world.recall("Bearer abcd")
    await world.verifyBearer(null)
    world.proveToken.mockResolvedValue({ payload: { ...payload(), exp: 1 }, key })
    expect(await refusal(world.verifyBearer("Bearer def"))).toMatchObject({ reason: "expired" })
    expect(world.accepted).toHaveBeenCalledTimes(3)
  })

  it("does nothing after close()", async () => {
    const closed = new GateError("closed", "x")
    await world.verifyBearer("Bearer abc")
    world.assertOpen.mockImplementation(() => {
      throw closed
    })
    expect(await refusal(world.verifyBearer("Bearer abc"))).toBe(closed)
    expect(await refusal(world.verifyBearer(null))).toBe(closed)
  })

  it("checks what it remembers as what is new, before any row is read", async () => {
    const check = vi.fn<Check["assert"]>()
    const syncUser = vi.fn(async () => "row")
    world = makeSteps({ checks: [checking(check)], syncUser })
    await world.verifyBearer("Bearer abc")
    check.mockImplementation(() => {
      throw invalidToken("revoked", "x")
    })
    expect(await refusal(world.verifyBearer("Bearer abc"))).toMatchObject({ reason: "revoked" })
    expect(check.mock.calls.map(([{ principal }, presented]) => [principal.subject, presented])).toEqual(
      Array(2).fill(["s", { scheme: "Bearer", token: "abc" }]),
    )
    expect(syncUser).toHaveBeenCalledOnce()
  })

  it("does one check after the other, and waits for those that take their time", async () => {
    const order: string[] = []
    const slow = async () => {
      await new Promise(resolve => setImmediate(resolve))
      order.push("slow")
    }
    const steps = [() => void order.push("first"), slow, () => void order.push("last")]
    world = makeSteps({ checks: steps.map(step => checking(step)) })
    await world.verifyBearer("Bearer abc")
    expect(order).toEqual(["first", "slow", "last"])
  })

  it("stops at the first check that refuses, at once or later", async () => {
    for (const refuse of [() => Promise.reject(invalidToken("revoked", "x")), throwRevoked]) {
      const next = vi.fn()
      world = makeSteps({ checks: [refuse, next].map(step => checking(step)) })
      for (const _ of ["new", "remembered"]) {
        expect(await refusal(world.verifyBearer("Bearer abc"))).toMatchObject({ reason: "revoked" })
      }
      expect(next).not.toHaveBeenCalled()
    }
  })

  it("waits no longer for checks that return nothing than without any", async () => {
    const ticks = async (checks: readonly Check[]) => {
      world = makeSteps({ checks })
      await world.verifyBearer("Bearer abc")
      let settled = false
      const done = world.verifyBearer("Bearer abc").then(() => {
        settled = true
      })
      let waited = 0
      for (; !settled; waited++) await null
      await done
      return waited
    }
    expect(await ticks(Array(2).fill(checking(() => undefined)))).toBe(await ticks([]))
  })

  it("adds the row of each request, and reads none for whom the guard refuses", async () => {
    const syncUser = vi.fn(async (_: Principal<null>) => "row")
    world = makeSteps({ syncUser })
    expect(await world.verifyBearer("Bearer abc")).toMatchObject({ subject: "s", user: "row" })
    syncUser.mockResolvedValue("other row")
    expect(await world.verifyBearer("Bearer abc", {})).toMatchObject({ user: "other row" })
    await refusal(world.verifyBearer("Bearer abc", { realmRoles: ["admin"] }))
    expect(syncUser).toHaveBeenCalledTimes(2)
    const failure = new Error("connection lost")
    syncUser.mockRejectedValue(failure)
    expect(await refusal(world.verifyBearer("Bearer abc"))).toBe(failure)
  })
})

describe("verifyToken", () => {
  it("tells whose token it is, and asks nobody for one that a header or a message brought before", async () => {
    const first = await world.verifyToken("abc")
    expect(first).toMatchObject({ subject: "s", kind: "user", token: "abc" })
    expect(await world.verifyBearer("Bearer abc")).toBe(first)
    expect(await world.verifyToken("abc", { kind: "user" })).toBe(first)
    expect(world.proveToken.mock.calls).toEqual([["abc"]])
  })

  it.each([[""], [null], [undefined]])(
    "throws credentials_missing for %j, with requirements or without",
    async token => {
      for (const work of [world.verifyToken(token), world.verifyToken(token, { kind: "any" })]) {
        expect(await refusal(work)).toMatchObject({ code: "credentials_missing", status: 401 })
      }
      expect(world.proveToken).not.toHaveBeenCalled()
      expect(world.report).toHaveBeenCalledTimes(2)
    },
  )

  it("calls bad what is no token: it is no header that could be malformed", async () => {
    world.proveToken.mockRejectedValue(invalidToken("malformed", "x"))
    for (const token of ["a b", "Bearer abc", " ", "ä", 5, ["abc"], { token: "abc" }]) {
      expect(await refusal(world.verifyToken(token as string))).toMatchObject({
        code: "invalid_token",
        reason: "malformed",
      })
    }
    expect(world.proveToken).toHaveBeenCalledTimes(4)
    const long = await refusal(world.verifyToken("a".repeat(301)))
    expect(long).toMatchObject({ code: "invalid_token", reason: "too_large" })
  })

  it("guards as verifyBearer does, and takes no undefined for requirements", async () => {
    const lacking = world.verifyToken("abc", { realmRoles: ["admin"] })
    expect(await refusal(lacking)).toMatchObject({ code: "insufficient_scope", status: 403 })
    for (const requirements of [undefined, null, { realmRole: ["x"] }]) {
      const work = world.verifyToken("abc", requirements as never)
      expect(await refusal(work)).toMatchObject({ code: "config_invalid" })
    }
  })

  it("tells its checks that no header brought the token, and adds the row", async () => {
    const check = vi.fn<Check["assert"]>()
    world = makeSteps({ checks: [checking(check)], syncUser: async () => "row" })
    for (const _ of ["new", "remembered"]) expect(await world.verifyToken("abc")).toMatchObject({ user: "row" })
    expect(check.mock.calls.map(([, presented]) => presented)).toEqual(Array(2).fill({ scheme: null, token: "abc" }))
  })
})

describe("what is recalled of a header, without a promise", () => {
  const header = "Bearer abc"

  it("is the principal of a header that it has verified, and nobody before", async () => {
    const { recall } = world
    expect(recall(header)).toBeNull()
    const principal = await world.verifyBearer(header)
    expect(recall(header)).toBe(principal)
    for (const other of ["Bearer abcd", [header], null, undefined, 5]) expect(recall(other)).toBeNull()
  })

  it.each<[string, Parameters<typeof makeSteps>[0]]>([
    ["a row", { syncUser: async () => "row" }],
    ["a wait", { checks: [checking(() => undefined, true), checking(() => undefined)] }],
  ])("is nobody where this request takes %s", async (_, more) => {
    const { verifyBearer, recall, remembered } = makeSteps(more)
    await verifyBearer(header)
    expect(remembered.size).toBe(1)
    expect(recall(header)).toBeNull()
  })

  it("is nobody whose row is not there at once", async () => {
    const { verifyBearer, recall } = makeSteps({ syncUser: async () => "row", peekUser: () => undefined })
    await verifyBearer(header)
    expect(recall(header)).toBeNull()
  })

  it("has the row that is there at once, in one frozen principal for as long as it is the same", async () => {
    let row = "first"
    const { verifyBearer, recall } = makeSteps({ syncUser: async () => "asked", peekUser: () => row })
    await verifyBearer(header)
    const principal = recall(header)
    expect([principal?.user, Object.isFrozen(principal)]).toEqual(["first", true])
    expect(recall(header)).toBe(principal)
    row = "second"
    expect([recall(header)?.user, principal?.user]).toEqual(["second", "first"])
  })

  it("is a client without a row", async () => {
    const { verifyBearer, recall } = makeSteps({ syncUser: async () => null, peekUser: () => null })
    await verifyBearer(header)
    expect(recall(header)).toMatchObject({ user: null })
  })

  it("is whoever passes all checks at once", async () => {
    const { verifyBearer, recall } = makeSteps({ checks: Array(2).fill(checking(() => undefined, true)) })
    const principal = await verifyBearer(header)
    expect(recall(header)).toBe(principal)
  })

  it("is refused after close()", async () => {
    await world.verifyBearer(header)
    const closed = new GateError("closed", "closed")
    world.assertOpen.mockImplementation(() => {
      throw closed
    })
    expect(() => world.recall(header)).toThrow(closed)
  })
})
