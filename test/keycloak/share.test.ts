import { describe, expect, it } from "vitest"
import { createShare } from "../../src/keycloak/share.js"

function openWork() {
  const begun: { resolve: (value: string) => void; reject: (error: Error) => void }[] = []
  const work = () => new Promise<string>((resolve, reject) => begun.push({ resolve, reject }))
  return { begun, work }
}

describe("share", () => {
  it("does work once for all who come while it is under way", async () => {
    const share = createShare<string>()
    const { begun, work } = openWork()
    const both = Promise.all([share("ada", work), share("ada", work)])
    begun[0]?.resolve("done")
    expect([await both, begun.length]).toEqual([["done", "done"], 1])
  })

  it("does it anew for whoever comes after its end, be it a failure, which all of them hear", async () => {
    const share = createShare<string>()
    const { begun, work } = openWork()
    const both = Promise.allSettled([share("ada", work), share("ada", work)])
    begun[0]?.reject(new Error("on purpose"))
    expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    const again = share("ada", work)
    begun[1]?.resolve("done")
    expect([await again, begun.length]).toEqual(["done", 2])
  })

  it("keeps the work of one key from that of another", () => {
    const share = createShare<string>()
    const { begun, work } = openWork()
    void share("ada", work)
    void share("grace", work)
    expect(begun).toHaveLength(2)
  })
})
