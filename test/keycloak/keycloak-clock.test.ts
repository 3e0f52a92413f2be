import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { createKeycloakClock } from "../../src/keycloak/keycloak-clock.js"

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
const tokenOf = (issuedAt: unknown) => `${encode({ alg: "RS256" })}.${encode({ iat: issuedAt })}.c2ln`

/** Keycloak, this machine and the clock under test, all in milliseconds. */
function worldWith({ skew }: { readonly skew: number }) {
  let [keycloak, machine] = [1_800_000_000_000, 1_800_000_000_000 + skew]
  let sinceStart = 5000
  const clock = createKeycloakClock(
    () => machine,
    () => sinceStart,
  )
  const pass = (milliseconds: number) => {
    keycloak += milliseconds
    machine += milliseconds
    sinceStart += milliseconds
  }
  return {
    clock,
    pass,
    keycloak: () => keycloak,
    machine: () => machine,
    setMachine(by: number) {
      machine += by
    },
    setKeycloak(by: number) {
      keycloak += by
    },
    /** A token on a way that takes so long there and back. */
    async grant(wayMs = 20): Promise<void> {
      await clock.comparing(async () => {
        pass(wayMs / 2)
        const accessToken = tokenOf(Math.floor(keycloak / 1000))
        pass(wayMs / 2)
        return { accessToken }
      })()
    },
  }
}

const minute = 60_000
const hour = 60 * minute
const skews = [1000, minute, hour, -1000, -minute, -hour].map(skew => [skew])

/** Within what one token can tell: a machine that is off by less can't be found out. */
const told = 1100

function expectRight({ clock, keycloak, machine }: ReturnType<typeof worldWith>): void {
  const ahead = machine() - keycloak()
  expect(clock.now() - keycloak()).toBeLessThanOrEqual(ahead < told ? Math.max(0, ahead) : 0)
  expect(clock.now() - keycloak()).toBeGreaterThan(-told)
  expect(clock.atLatest() - keycloak()).toBeGreaterThanOrEqual(0)
  expect(clock.atLatest() - keycloak()).toBeLessThan(told)
}

describe("the clock of Keycloak", () => {
  it("is this machine's where no token disproves it", async () => {
    const world = worldWith({ skew: 0 })
    expect(world.clock.now()).toBe(world.machine())
    world.pass(437)
    await world.grant()
    world.pass(100)
    expect(world.clock.now()).toBe(world.machine())
  })

  it.each(skews)("tells Keycloak's time and is never ahead of it on a machine that is %i ms off", async skew => {
    const world = worldWith({ skew })
    world.pass(437)
    await world.grant()
    for (const ms of [0, 999, minute, hour]) {
      world.pass(ms)
      expectRight(world)
    }
  })

  it.each(skews)("is not moved by a step of %i ms of this machine's clock", async step => {
    const world = worldWith({ skew: 0 })
    world.pass(437)
    await world.grant()
    world.setMachine(step)
    expectRight(world)
    world.setMachine(-step)
    expect(world.clock.now()).toBe(world.machine())
  })

  it.each(skews)("follows a step of %i ms of Keycloak's own with the next token", async step => {
    const world = worldWith({ skew: 0 })
    world.pass(437)
    await world.grant()
    world.setKeycloak(step)
    world.pass(300)
    await world.grant()
    expectRight(world)
  })

  it("is never ahead, and a deletion's date never early, whatever the skew, the steps and the ways", async () => {
    const event = fc.record({
      waitMs: fc.integer({ min: 0, max: 2000 }),
      step: fc.constantFrom(0, 0, 0, 1500, -1500, hour, -hour),
      wayMs: fc.integer({ min: 0, max: 90 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -5000, max: 5000 }),
        fc.array(event, { minLength: 1 }),
        async (skew, events) => {
          const world = worldWith({ skew })
          await world.grant()
          for (const { waitMs, step, wayMs } of events) {
            world.pass(waitMs)
            world.setMachine(step)
            expectRight(world)
            await world.grant(wayMs)
          }
        },
      ),
    )
  })

  it("has shown what a verified token says, and no later time than Keycloak's is believed", async () => {
    const world = worldWith({ skew: -hour })
    world.clock.sawTime(world.keycloak())
    expect(world.clock.now()).toBe(world.keycloak())
    await world.grant()
    world.clock.sawTime(world.keycloak() + minute)
    expect(world.clock.now()).toBeLessThan(world.keycloak() + 1100)
  })

  it.each(["opaque", tokenOf("soon"), tokenOf(undefined)])(
    "is this machine's where a token tells no time",
    async accessToken => {
      const { clock, machine } = worldWith({ skew: hour })
      const granted = { accessToken }
      expect(await clock.comparing(async () => granted)()).toBe(granted)
      expect([clock.now(), clock.atLatest()]).toEqual([machine(), machine()])
    },
  )

  it("hands what is asked for to the grant", async () => {
    const { clock } = worldWith({ skew: 0 })
    const grant = clock.comparing(async (scope: string) => ({ accessToken: "opaque", scope }))
    expect(await grant("openid")).toEqual({ accessToken: "opaque", scope: "openid" })
  })
})
