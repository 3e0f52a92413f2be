import { afterEach, describe, expect, it, vi } from "vitest"
import { createGate } from "../../src/index.js"
import { createBackground } from "../../src/watch/background.js"
import { openShop } from "../support/shop.ts"

afterEach(() => void vi.restoreAllMocks())

describe("background", () => {
  it("hears of work that never rejects, whatever becomes of it", async () => {
    const heard: Promise<unknown>[] = []
    createBackground(
      work => void heard.push(work),
      () => 0,
    )(Promise.reject(new Error("lost")))
    await expect(Promise.all(heard)).resolves.toHaveLength(1)
  })

  it("may fail, which a warning tells without its text", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
    const fail = () => {
      throw new TypeError("waitUntil outside of a handler")
    }
    createBackground(fail, () => 0)(Promise.resolve())
    expect(warn.mock.calls).toEqual([
      [expect.not.stringContaining("outside"), { type: "KeycloakGateWarning", code: "background" }],
    ])
  })

  it("leaves no rejection unhandled where nobody hears of it", async () => {
    createBackground(null, () => 0)(Promise.reject(new Error("nobody's")))
    await new Promise(setImmediate)
  })

  it.each(["local", "introspection", "userinfo"] as const)(
    "hears what many wait for with %s, and not of each who waits",
    async mode => {
      const realm = await openShop()
      const heard: Promise<unknown>[] = []
      const background = (work: Promise<unknown>) => void heard.push(work)
      const gate = createGate({ ...realm.gateOptions, verification: mode, background, onEvent: () => undefined })
      const { accessToken } = await gate
        .loginWithPassword({ username: "ada", password: "Engine-1822!" })
        .catch(async () => ({
          accessToken: await realm.issueToken("ada", { scope: "openid profile" }),
        }))
      const header = `Bearer ${accessToken}`
      const waiting = Array.from({ length: 20 }, () => gate.verifyBearer(header).catch(() => null))
      await Promise.all(waiting)
      // The keys, and a question with those that come while one before it is under way.
      expect(heard.length).toBeGreaterThan(0)
      expect(heard.length).toBeLessThan(10)
      await Promise.all(heard)
      await gate.close()
    },
  )

  it("hears of rechecks and of the service account's token", async () => {
    const realm = await openShop()
    const heard: Promise<unknown>[] = []
    const background = (work: Promise<unknown>) => void heard.push(work)
    const verification = { mode: "local", recheckSeconds: 30 } as const
    const gate = createGate({ ...realm.gateOptions, verification, background, onEvent: () => undefined })
    const token = await realm.issueToken("ada")
    await gate.verifyBearer(`Bearer ${token}`)
    const [afterKeys] = [heard.length]
    expect(afterKeys).toBe(2) // the keys, and the question about the session
    await gate.sessions("nobody").catch(() => null)
    expect(heard).toHaveLength(afterKeys + 1)
    await Promise.all(heard)
    await gate.close()
  })
})
