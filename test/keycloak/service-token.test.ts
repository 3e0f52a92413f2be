import { describe, expect, it, vi } from "vitest"
import { createServiceToken } from "../../src/keycloak/service-token.js"

const sharing = { background: () => undefined, timeoutMs: 5000 }

/** A service token by the clock of the test, of grants that last a minute. */
function makeWorld() {
  const world = { elapsed: 5000 }
  let count = 0
  const grant = vi.fn(async () => ({ accessToken: `t${++count}`, expiresInSeconds: 60 }))
  return { world, grant, serviceToken: createServiceToken(grant, () => world.elapsed, sharing) }
}

describe("createServiceToken", () => {
  it("asks once for all who need it together", async () => {
    const { grant, serviceToken } = makeWorld()
    expect(await Promise.all([serviceToken.get(), serviceToken.get()])).toEqual(["t1", "t1"])
    expect(grant).toHaveBeenCalledTimes(1)
  })

  it("renews after four fifths of its life, counted from the question", async () => {
    const { world, grant, serviceToken } = makeWorld()
    grant.mockImplementationOnce(async () => {
      world.elapsed += 3000
      return { accessToken: "slow", expiresInSeconds: 60 }
    })
    await serviceToken.get()
    world.elapsed = 5000 + 47_999
    expect(await serviceToken.get()).toBe("slow")
    world.elapsed += 1
    expect(await serviceToken.get()).toBe("t1")
  })

  it("renews one that is younger than nothing: the clock has begun anew", async () => {
    const { world, serviceToken } = makeWorld()
    await serviceToken.get()
    world.elapsed = 4999
    expect(await serviceToken.get()).toBe("t2")
    expect(await serviceToken.get()).toBe("t2")
  })

  it("asks anew after a grant that failed", async () => {
    const { grant, serviceToken } = makeWorld()
    grant.mockRejectedValueOnce(new Error("down"))
    await expect(serviceToken.get()).rejects.toThrow("down")
    expect(await serviceToken.get()).toBe("t1")
  })

  it("renews what Keycloak does not take, once", async () => {
    const { serviceToken } = makeWorld()
    const ask = vi.fn(async (token: string) => token)
    expect(await serviceToken.use(ask, answer => answer === "t1")).toBe("t2")
    expect(await serviceToken.use(ask, () => true)).toBe("t3")
    expect(ask.mock.calls.flat()).toEqual(["t1", "t2", "t2", "t3"])
  })

  it("throws away no newer token than the one that was refused", async () => {
    const { grant, serviceToken } = makeWorld()
    const both = [0, 1].map(() =>
      serviceToken.use(
        async token => token,
        answer => answer === "t1",
      ),
    )
    expect(await Promise.all(both)).toEqual(["t2", "t2"])
    expect(grant).toHaveBeenCalledTimes(2)
  })
})
