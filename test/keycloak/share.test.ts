import { afterEach, describe, expect, it, vi } from "vitest"
import { GateError } from "../../src/errors.js"
import { createShare } from "../../src/keycloak/share.js"

const background = vi.fn<(work: Promise<unknown>) => void>(work => void work.catch(() => undefined))
const sharing = { background, timeoutMs: 5000 }
afterEach(() => {
  background.mockClear()
  vi.useRealTimers()
})

function openWork() {
  const begun: { resolve: (value: string) => void; reject: (error: Error) => void }[] = []
  const work = () => new Promise<string>((resolve, reject) => begun.push({ resolve, reject }))
  return { begun, work }
}

describe("share", () => {
  it("does work once for all who come while it is under way", async () => {
    const share = createShare<string>(sharing)
    const { begun, work } = openWork()
    const both = Promise.all([share("ada", work), share("ada", work)])
    begun[0]?.resolve("done")
    expect([await both, begun.length]).toEqual([["done", "done"], 1])
  })

  it("does it anew for whoever comes after its end, be it a failure, which all of them hear", async () => {
    const share = createShare<string>(sharing)
    const { begun, work } = openWork()
    const both = Promise.allSettled([share("ada", work), share("ada", work)])
    begun[0]?.reject(new GateError("keycloak_unavailable", "on purpose"))
    expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    const again = share("ada", work)
    begun[1]?.resolve("done")
    expect([await again, begun.length]).toEqual(["done", 2])
  })

  it("keeps the work of one key from that of another", () => {
    const share = createShare<string>(sharing)
    const { begun, work } = openWork()
    void share("ada", work)
    void share("grace", work)
    expect(begun).toHaveLength(2)
  })

  it("hands what is shared to the host, once", () => {
    const share = createShare<string>(sharing)
    const { work } = openWork()
    void share("ada", work)
    void share("ada", work)
    expect(background).toHaveBeenCalledTimes(1)
  })

  it("does it anew, once for all who wait, where it never ends", async () => {
    vi.useFakeTimers()
    const share = createShare<string>(sharing)
    const { begun, work } = openWork()
    void share("ada", work)
    const others = Promise.all([share("ada", work), share("ada", work)])
    // Work that ends by itself may be late, where the machine is busy.
    await vi.advanceTimersByTimeAsync(6249)
    expect(begun).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(begun).toHaveLength(2)
    begun[1]?.resolve("done")
    expect(await others).toEqual(["done", "done"])
    // What was lost has no say any more, should it end after all.
    const later = share("ada", work)
    begun[0]?.resolve("lost")
    begun[2]?.resolve("later")
    expect(await later).toBe("later")
  })

  it("does it anew for those who wait where the host says that it is lost", async () => {
    const share = createShare<string>(sharing)
    const { begun, work } = openWork()
    const first = share("ada", work).catch(() => "lost")
    const others = Promise.all([share("ada", work), share("ada", work)])
    begun[0]?.reject(new Error("created by a request that has since ended"))
    expect(await first).toBe("lost")
    await expect.poll(() => begun.length).toBe(2)
    begun[1]?.resolve("done")
    expect(await others).toEqual(["done", "done"])
  })
})
