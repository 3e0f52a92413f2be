import { describe, expect, it } from "vitest"
import { createCreateAccount } from "../../src/accounts/create-account.js"
import type { NewAccount } from "../../src/accounts/keycloak/create.js"

const account = {
  username: "ada",
  email: "ada@example.test",
  firstName: "Ada",
  lastName: "Lovelace",
  password: "x",
  emailVerified: false,
  groups: [],
  requiredActions: [],
  attributes: {},
}

async function stampsOf(keycloakTime: () => number, count: number): Promise<number[]> {
  const stamps: number[] = []
  const createAccount = async ({ createdTimestamp }: NewAccount) => {
    stamps.push(createdTimestamp)
    return { id: "s-1" }
  }
  const create = createCreateAccount({ createAccount, findAccount: async () => null, keycloakTime })
  for (let made = 0; made < count; made++) await create(account, { username: "ada" })
  return stamps
}

describe("createdTimestamp", () => {
  it("is a whole millisecond of Keycloak's last minute, never ahead", async () => {
    const keycloakTime = 1_796_000_000_000.75
    for (const stamp of await stampsOf(() => keycloakTime, 1000)) {
      expect(Number.isInteger(stamp)).toBe(true)
      expect(stamp).toBeLessThanOrEqual(keycloakTime)
      expect(stamp).toBeGreaterThan(keycloakTime - 60_001)
    }
  })

  it("is never given twice, not even when the clock stands still or goes back", async () => {
    let reads = 0
    const stamps = await stampsOf(() => 1_796_000_000_000 + (reads++ % 2) * 3_600_000, 5000)
    expect(new Set(stamps).size).toBe(5000)
  })
})
