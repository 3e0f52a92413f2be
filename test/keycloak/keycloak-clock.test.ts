import { describe, expect, it } from "vitest"
import { createKeycloakClock } from "../../src/keycloak/keycloak-clock.js"

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
const tokenOf = (issuedAt: unknown) => `${encode({ alg: "RS256" })}.${encode({ iat: issuedAt })}.c2ln`

/** Keycloak's time as this machine makes it out at 100,000 ms, from a grant that took 40 ms and was issued at `iat`. */
async function toldBy(accessToken: string): Promise<number> {
  let time = 99_960
  const clock = createKeycloakClock(() => time)
  await clock.comparing(async () => {
    time = 100_000
    return { accessToken }
  })()
  return clock.now()
}

describe("the clock of Keycloak", () => {
  it.each([
    ["is this machine's where the token agrees with it", 99, 100_000],
    ["is this machine's at the very second of the token", 100, 100_000],
    ["is ahead where the token comes from the future", 130, 130_000],
    ["is behind where the token is older than its request, by no more than it proves", 69, 69_000],
  ])("%s", async (_, issuedAt, expected) => {
    expect(await toldBy(tokenOf(issuedAt))).toBe(expected)
  })

  it.each(["opaque", tokenOf("soon"), tokenOf(undefined)])(
    "is this machine's where a token tells no time",
    async token => {
      expect(await toldBy(token)).toBe(100_000)
    },
  )

  it("is compared anew with every token, and hands each one on", async () => {
    const clock = createKeycloakClock(() => 50_000)
    const first = { accessToken: tokenOf(90) }
    expect(await clock.comparing(async () => first)()).toBe(first)
    expect(clock.now()).toBe(90_000)
    await clock.comparing(async () => ({ accessToken: tokenOf(50) }))()
    expect(clock.now()).toBe(50_000)
  })
})
