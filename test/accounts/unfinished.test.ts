import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { FoundAccount } from "../../src/accounts/keycloak/account.js"
import { createUnfinished } from "../../src/accounts/unfinished.js"
import { createUnfinishedRegistrations, type Missing } from "../../src/accounts/unfinished-registrations.js"
import { GateError } from "../../src/errors.js"
import type { GateEvent } from "../../src/events.js"

const down = new GateError("keycloak_unavailable", "down")
const stamp = 1_796_000_000_000
const name = { username: "ada" }
const account: FoundAccount = { id: "s-1", createdTimestamp: stamp, emailVerified: false }

let events: GateEvent[]
let looks: number
let mostAtOnce: number
let find: () => FoundAccount | null
let unfinished: ReturnType<typeof open>

function open(findAccount: (by: object) => Promise<FoundAccount | null>) {
  const queue = createUnfinished(
    () => performance.now(),
    () => undefined,
  )
  const report = (event: GateEvent) => void events.push(event)
  const { add } = createUnfinishedRegistrations({ queue, findAccount, report })
  return { ...queue, add }
}

beforeEach(() => {
  vi.useFakeTimers()
  events = []
  looks = 0
  mostAtOnce = 0
  find = () => account
  let atOnce = 0
  unfinished = open(async () => {
    looks += 1
    atOnce += 1
    mostAtOnce = Math.max(mostAtOnce, atOnce)
    await new Promise(resolve => setTimeout(resolve, 10))
    atOnce -= 1
    return find()
  })
})
afterEach(() => {
  unfinished.close()
  vi.useRealTimers()
})

function step(what: Missing["what"], failures = 0) {
  const made: string[] = []
  let left = failures
  async function make({ id }: FoundAccount): Promise<void> {
    if (left-- > 0) throw down
    made.push(id)
  }
  return { what, made, make }
}
const lost = (missing: readonly Missing[] = []) => ({ name, subject: null, stamps: [1, stamp], missing })
const left = (missing: readonly Missing[] = []) => ({ name, subject: "s-1", stamps: [stamp], missing })
const settled = () => events.filter(({ type }) => type === "registration_settled")
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000)

describe("an unfinished registration", () => {
  it("gets what it lacks, in order, when its account is found by name and stamp", async () => {
    const order: string[] = []
    const steps = (["realm roles", "row", "verification mail"] as const).map(what => ({
      what,
      make: async ({ id }: FoundAccount) => order.push(`${what} of ${id}`),
    }))
    unfinished.add(lost(steps), down)
    expect(events).toEqual([{ type: "registration_unsettled", subject: null, error: down }])
    await seconds(1.1)
    expect(order).toEqual(["realm roles of s-1", "row of s-1", "verification mail of s-1"])
    expect(settled()).toEqual([{ type: "registration_settled", outcome: "finished", subject: "s-1" }])
    expect(unfinished.size()).toBe(0)
    await seconds(2000)
    expect(looks).toBe(1)
  })

  it("is looked for after 1, 5, 30, 120 and 600 seconds, and is absent then", async () => {
    find = () => null
    unfinished.add(lost(), down)
    const at: number[] = []
    for (let second = 0; second < 2000; second++) {
      const before = looks
      await seconds(1)
      if (looks > before) at.push(second)
    }
    expect(at).toEqual([0, 6, 36, 156, 756])
    expect(settled()).toEqual([{ type: "registration_settled", outcome: "absent", subject: null }])
  })

  it("is found when its account appears only after a look that found none", async () => {
    const row = step("row")
    find = () => null
    unfinished.add(lost([row]), down)
    await seconds(2)
    find = () => account
    await seconds(5)
    expect(row.made).toEqual(["s-1"])
  })

  it.each([
    ["of another stamp, when only stamps tell", lost, { ...account, id: "s-2", createdTimestamp: stamp + 1 }],
    ["of another id, whatever its stamp", left, { ...account, id: "s-2" }],
    ["that is not there any more", left, null],
  ])("is absent, and nothing is touched, with an account %s", async (_, registration, found) => {
    const row = step("row")
    find = () => found
    unfinished.add(registration([row]), down)
    await seconds(2000)
    expect(row.made).toEqual([])
    expect(settled()).toMatchObject([{ outcome: "absent" }])
    expect(looks).toBe(1)
  })

  it("does again only what failed, and the rest of it meanwhile", async () => {
    const [roles, row, mail] = [step("realm roles", 1), step("row", 2), step("verification mail")]
    unfinished.add(lost([roles, row, mail]), down)
    await seconds(2)
    expect([roles.made, row.made, mail.made]).toEqual([[], [], ["s-1"]])
    await seconds(5)
    expect([roles.made, row.made, mail.made]).toEqual([["s-1"], [], ["s-1"]])
    await seconds(30)
    expect([roles.made, row.made, mail.made]).toEqual([["s-1"], ["s-1"], ["s-1"]])
    expect(settled()).toMatchObject([{ outcome: "finished", subject: "s-1" }])
  })

  it("is given up after the last look, with an error that names the account and what it lacks", async () => {
    unfinished.add(left([step("realm roles"), step("row", 9)]), down)
    await seconds(800)
    expect(settled()).toMatchObject([{ outcome: "abandoned", subject: "s-1", error: { cause: down } }])
    const [event] = settled()
    const message = event !== undefined && "error" in event ? event.error.message : ""
    expect(message).toContain("account s-1")
    expect(message).toContain("row")
    expect(message).not.toContain("realm roles")
    expect(message).not.toContain("ada")
  })

  it("waits for the end of an outage, however many looks that takes", async () => {
    const row = step("row")
    find = () => {
      throw down
    }
    unfinished.add(lost([row]), down)
    await seconds(6 * 3600)
    expect(settled()).toEqual([])
    find = () => account
    await seconds(31)
    expect(row.made).toEqual(["s-1"])
  })

  it("is given up when the outage lasts for more than a day, by its stamps where no id is known", async () => {
    find = () => {
      throw down
    }
    unfinished.add(lost([step("row")]), down)
    await seconds(25 * 3600)
    expect(settled()).toMatchObject([{ outcome: "abandoned", subject: null }])
    const [event] = settled()
    expect(event !== undefined && "error" in event && event.error.message).toContain(String(stamp))
    const before = looks
    await seconds(3600)
    expect(looks).toBe(before)
  })
})

describe("the queue of unfinished registrations", () => {
  it("has four under way at most, and finishes 400", async () => {
    const row = step("row")
    for (let count = 0; count < 400; count++) unfinished.add(lost([row]), down)
    expect(unfinished.size()).toBe(400)
    await seconds(5)
    expect(row.made).toHaveLength(400)
    expect(mostAtOnce).toBe(4)
    expect(unfinished.size()).toBe(0)
  })

  it("asks a Keycloak that is down once in half a minute, however many wait", async () => {
    find = () => {
      throw down
    }
    for (let count = 0; count < 400; count++) unfinished.add(lost(), down)
    await seconds(120)
    const before = looks
    await seconds(600)
    expect(looks - before).toBeLessThanOrEqual(20)
    mostAtOnce = 0
    find = () => account
    await seconds(40)
    expect(mostAtOnce).toBe(4)
    expect(settled()).toHaveLength(400)
  })

  it("does not let one account that can't be asked about hold up the others", async () => {
    const row = step("row")
    const asked: object[] = []
    unfinished.close()
    unfinished = open(async by => {
      asked.push(by)
      if (by === name) throw down
      return account
    })
    unfinished.add(lost([row]), down)
    for (let count = 0; count < 20; count++)
      unfinished.add({ ...lost([row]), name: { username: `other-${count}` } }, down)
    await seconds(10)
    expect(row.made).toHaveLength(20)
    expect(unfinished.size()).toBe(1)
    const before = asked.length
    await seconds(3600)
    expect(asked.length - before).toBeLessThanOrEqual(121)
  })

  it("holds a thousand, and names at once what does not fit", () => {
    for (let count = 0; count < 1001; count++) unfinished.add({ ...left(), subject: `s-${count}` }, down)
    expect(unfinished.size()).toBe(1000)
    expect(settled()).toMatchObject([{ outcome: "abandoned", subject: "s-1000" }])
    expect(events.filter(({ type }) => type === "registration_unsettled")).toHaveLength(1000)
  })

  it("names what is left when it is closed, and does nothing after that", async () => {
    const row = step("row")
    unfinished.add(left([row]), down)
    unfinished.close()
    expect(settled()).toMatchObject([{ outcome: "abandoned", subject: "s-1" }])
    expect(unfinished.size()).toBe(0)
    unfinished.add(lost([row]), down)
    expect(settled()).toHaveLength(2)
    await seconds(2000)
    expect(looks).toBe(0)
    expect(row.made).toEqual([])
  })

  it("tells nothing more about what it named when it was closed with a look under way", async () => {
    unfinished.add(left(), down)
    await vi.advanceTimersByTimeAsync(1005)
    expect(looks).toBe(1)
    unfinished.close()
    await seconds(2000)
    expect(settled()).toHaveLength(1)
  })
})
