import { describe, expect, it, vi } from "vitest"
import type { RegistrationRules } from "../../src/accounts/keycloak/rules.js"
import { createRulesCache } from "../../src/accounts/registration-rules.js"

/** A cache by the clock of the test; each reading is told from the others. */
const sharing = { background: () => undefined, timeoutMs: 5000 }

function makeWorld() {
  const world = { elapsed: 5000 }
  const read = vi.fn(async () => ({}) as RegistrationRules)
  return { world, read, rules: createRulesCache(read, () => world.elapsed, sharing) }
}

describe("createRulesCache", () => {
  it("reads for five minutes once, counted from the question", async () => {
    const { world, read, rules } = makeWorld()
    read.mockImplementationOnce(async () => {
      world.elapsed += 3000
      return {} as RegistrationRules
    })
    const [first, second] = await Promise.all([rules.get(), rules.get()])
    expect(second).toBe(first)
    world.elapsed = 5000 + 299_999
    expect(await rules.get()).toBe(first)
    world.elapsed += 1
    expect(await rules.get()).not.toBe(first)
    expect(read).toHaveBeenCalledTimes(2)
  })

  it("reads again after it was told to forget, after a failure, and when its clock has begun anew", async () => {
    const { world, read, rules } = makeWorld()
    await rules.get()
    rules.forget()
    read.mockRejectedValueOnce(new Error("down"))
    await expect(rules.get()).rejects.toThrow("down")
    await rules.get()
    world.elapsed = 4999
    await rules.get()
    await rules.get()
    expect(read).toHaveBeenCalledTimes(4)
  })
})
