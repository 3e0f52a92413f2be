import { describe, expect, it, vi } from "vitest"
import { GateError, isGateError } from "../../../src/errors.js"
import { createCustomReader } from "../../../src/users/custom-profile.js"
import { start } from "../../../src/users/sync/account-walk.js"
import type { ListedAccount } from "../../../src/users/sync/keycloak-listing.js"
import { readCursor, type SyncPlace } from "../../../src/users/sync/sync-cursor.js"
import type { SyncUsersOptions } from "../../../src/users/sync/sync-run.js"
import { type SyncUsersSteps, wholeRun } from "../../../src/users/sync/sync-run.js"

const issuer = "https://sso.example.test/realms/shop"
const beginning: SyncPlace = { phase: "accounts", position: start, createdAfter: null }

const numbered = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(6, "0")}`)
const accountOf = (id: string): ListedAccount => ({
  id,
  username: id,
  email: null,
  emailVerified: false,
  createdTimestamp: 0,
  firstName: null,
  lastName: null,
  attributes: {},
})

/** A realm of these accounts, and a table that has rows of them and of strangers. */
function world(accounts: readonly string[], strangers: readonly string[] = [], known = accounts) {
  const realm = new Set(accounts)
  const table = new Set([...known, ...strangers])
  const log: string[] = []
  const fail = { at: "", with: undefined as unknown }
  const step = (what: string) => {
    log.push(what)
    if (what === fail.at) throw fail.with
  }
  const notListed = async (subjects: readonly string[]) => subjects.filter(subject => !realm.has(subject))
  const steps: SyncUsersSteps<string> = {
    issuer,
    custom: createCustomReader({ fromClaims: null, fromAccount: null }),
    store: {
      canList: true,
      async listSubjects({ after, limit }) {
        step(`list after ${after}`)
        const further = [...table].sort().filter(subject => after === null || subject > after)
        return further.slice(0, limit)
      },
      bounded: async (_, work) => work(),
    },
    rows: {
      beginReading: () => 0,
      async saveListed({ subject }) {
        step(`save ${subject}`)
        table.add(subject)
        return subject
      },
      async removeUser({ subject }, remove) {
        step(`remove ${subject}`)
        if (remove === undefined) table.delete(subject)
        else await remove()
      },
    },
    listing: {
      async assertMaySee() {
        step("may see")
      },
      countAccounts: async () => realm.size,
      notListed,
      async readPage({ first, max }) {
        step(`read from ${first}`)
        return {
          asOf: new Date(0),
          accounts: [...realm]
            .sort()
            .slice(first, first + max)
            .map(accountOf),
        }
      },
      async withoutAccount(subjects) {
        step(`look for ${subjects[0]}`)
        return notListed(subjects)
      },
    },
  }
  const run = (options: SyncUsersOptions, begin = beginning) => wholeRun(steps, options, begin)
  const failure = (options: SyncUsersOptions, begin?: SyncPlace) =>
    run(options, begin).then(
      () => expect.unreachable("it came to its end"),
      thrown => thrown,
    )
  const goOn = (options: SyncUsersOptions, { cursor }: { cursor: string }) => {
    const place = readCursor(issuer, cursor)
    return place === null ? expect.unreachable("no cursor") : run(options, place)
  }
  return { realm, table, log, fail, run, failure, goOn, strangersLeft: () => [...table].filter(row => !realm.has(row)) }
}

const tooMany = (error: unknown) => isGateError(error) && error.code === "keycloak_refused_us"

describe("syncUsers, of rows without account,", () => {
  it("removes none before all rows were looked at", async () => {
    const { run, log, table } = world(numbered(120, "m"), ["a", "n", "z"])
    expect(await run({ onMissing: "remove" })).toMatchObject({ saved: 120, checked: 123, missing: 3, cursor: null })
    const [firstRemoval, lastLook] = [log.indexOf("remove a"), log.indexOf("list after z")]
    expect(lastLook).toBeGreaterThan(0)
    expect(firstRemoval).toBeGreaterThan(lastLook)
    expect(table.size).toBe(120)
  })

  const acting = [
    ["remove", "remove" as const],
    ["a function", () => undefined],
  ] as const
  it.each(acting)(
    "saves and removes nothing with onMissing %s where most of the first are missing",
    async (_, onMissing) => {
      const { failure, log, table } = world(numbered(300, "m"), numbered(26, "a"), numbered(24, "m"))
      const error = await failure({ onMissing })
      expect(error).toSatisfy(tooMany)
      expect(error.message).toMatch(/26 of 50 .*saved and removed nothing.*maxMissing/s)
      expect(readCursor(issuer, error.cursor)).toEqual(beginning)
      expect([log.filter(what => /^(save|remove)/.test(what)), table.size]).toEqual([[], 50])
    },
  )

  it.each(acting)(
    "stops with onMissing %s before the first goes when they are too many of all",
    async (_, onMissing) => {
      const { failure, log, table } = world(numbered(150, "m"), numbered(21, "z"))
      const error = await failure({ onMissing })
      expect(error).toSatisfy(tooMany)
      expect(error.message).toMatch(/21 of 171 .*removed none/s)
      expect([log.filter(what => what.startsWith("remove")), table.size]).toEqual([[], 171])
    },
  )

  it("does what maxMissing allows, also from the cursor of a run that stopped", async () => {
    const { failure, goOn, run, strangersLeft } = world(numbered(150, "m"), numbered(21, "z"))
    const error = await failure({ onMissing: "remove" })
    expect(await failure({ onMissing: "remove", maxMissing: 20 })).toSatisfy(tooMany)
    expect(await goOn({ onMissing: "remove", maxMissing: 21 }, error)).toMatchObject({ saved: 0, missing: 21 })
    expect(strangersLeft()).toEqual([])
    expect(await run({ onMissing: "remove", maxMissing: 0 })).toMatchObject({ missing: 0 })
  })

  it("only reports them, however many they are", async () => {
    const { run } = world([], numbered(60, "z"))
    expect(await run({ onMissing: "report" })).toMatchObject({ missing: 60, cursor: null })
  })

  it("counts those of the run before that its cursor comes from, and removes them too", async () => {
    const { fail, failure, goOn, strangersLeft } = world(numbered(300, "m"), [
      ...numbered(15, "a"),
      ...numbered(15, "z"),
    ])
    Object.assign(fail, { at: "list after m000084", with: new Error("the database is away") })
    const stopped = await failure({ onMissing: "remove" })
    fail.at = ""
    expect(await goOn({ onMissing: "remove" }, stopped)).toMatchObject({ saved: 0, missing: 30, cursor: null })
    expect(strangersLeft()).toEqual([])
  })

  it("counts those of the run before for what is too many", async () => {
    const { fail, failure, goOn, strangersLeft } = world(numbered(150, "m"), [
      ...numbered(15, "a"),
      ...numbered(15, "z"),
    ])
    Object.assign(fail, { at: "list after m000084", with: new Error("the database is away") })
    const stopped = await failure({ onMissing: "remove" })
    fail.at = ""
    await expect(goOn({ onMissing: "remove" }, stopped)).rejects.toThrow(/30 of 180 /)
    expect(strangersLeft()).toHaveLength(30)
  })

  it("goes on with a removal that was broken off", async () => {
    const { fail, failure, goOn, strangersLeft } = world(numbered(900, "m"), numbered(80, "z"))
    Object.assign(fail, { at: "remove z000060", with: new Error("still referenced") })
    const stopped = await failure({ onMissing: "remove" })
    expect(strangersLeft().length).toBeLessThanOrEqual(30)
    fail.at = ""
    expect(await goOn({ onMissing: "remove" }, stopped)).toMatchObject({ phase: "rows", saved: 0, cursor: null })
    expect(strangersLeft()).toEqual([])
  })

  it("stops a removal that goes on in a realm that has become another one", async () => {
    const { realm, fail, failure, goOn, table } = world(numbered(900, "m"), ["z"])
    Object.assign(fail, { at: "remove z", with: new Error("still referenced") })
    const stopped = await failure({ onMissing: "remove" })
    fail.at = ""
    for (const account of numbered(900, "m").slice(50)) realm.delete(account)
    await expect(goOn({ onMissing: "remove" }, stopped)).rejects.toThrow(/has removed 50 of them/)
    expect(table.size).toBe(851)
  })

  it("leaves the row of an account that is back before it is removed", async () => {
    const { realm, log, run, table } = world(numbered(60, "m"), ["z1", "z2"])
    const onProgress = () => {
      if (log.includes("list after z2")) realm.add("z1")
    }
    await run({ onMissing: "remove", onProgress })
    expect([table.has("z1"), table.has("z2")]).toEqual([true, false])
  })

  it("removes more of them than it keeps in mind", async () => {
    const { run, strangersLeft } = world(numbered(10, "m"), numbered(10_200, "z"))
    const maxMissing = Number.POSITIVE_INFINITY
    expect(await run({ onMissing: "remove", maxMissing })).toMatchObject({ missing: 10_200, cursor: null })
    expect(strangersLeft()).toEqual([])
  })
})

describe("what syncUsers throws", () => {
  const acts = ["may see", "read from 0", "save m000003", "list after m000049", "look for m000050", "remove z"]

  it.each(acts)(
    "is the very error of the store or of Keycloak, with a cursor from which all gets done: at %s",
    async at => {
      const { fail, failure, goOn, table } = world(numbered(120, "m"), ["z"])
      const thrown = new Error("the database is away")
      Object.assign(fail, { at, with: thrown })
      const error = await failure({ onMissing: "remove" })
      expect(error).toBe(thrown)
      fail.at = ""
      await goOn({ onMissing: "remove" }, error)
      expect([...table].sort()).toEqual(numbered(120, "m"))
    },
  )

  it("has the cursor of its own run even where two runs hear of one outage", async () => {
    const outage = new GateError("keycloak_unavailable", "no Keycloak", { reason: "overload", retryAfterSeconds: 7 })
    const { fail, failure } = world(numbered(120, "m"))
    Object.assign(fail, { at: "may see", with: outage })
    const rows: SyncPlace = { phase: "rows", after: "m000049", checked: 50, missing: 0 }
    const errors = await Promise.all([failure({}), failure({ onMissing: "report" }, rows)])
    expect(errors.map(({ cursor }) => readCursor(issuer, cursor))).toEqual([beginning, rows])
    for (const error of errors) {
      expect(error).toMatchObject({
        code: "keycloak_unavailable",
        reason: "overload",
        retryAfterSeconds: 7,
        cause: outage,
      })
    }
    expect(outage.cursor).toBeUndefined()
  })

  it.each(["a text", undefined, Object.freeze(new Error("frozen"))])(
    "stays without a cursor if it can't have one: %s",
    async thrown => {
      const { fail, failure } = world(numbered(120, "m"))
      Object.assign(fail, { at: "save m000003", with: thrown })
      expect(await failure({})).toBe(thrown)
    },
  )

  it("has a cursor also when onProgress, onMissing or the signal ended it", async () => {
    const reason = new Error("enough")
    const { run, failure } = world(numbered(300, "m"), ["z"])
    const onProgress = vi.fn(() => {
      throw reason
    })
    expect(await failure({ onProgress })).toBe(reason)
    expect(readCursor(issuer, (reason as Error & { cursor?: string }).cursor)).toMatchObject({ phase: "accounts" })
    expect(await failure({ onMissing: () => Promise.reject(reason) })).toBe(reason)
    expect(readCursor(issuer, (reason as Error & { cursor?: string }).cursor)).toMatchObject({ phase: "removal" })
    expect(await failure({ signal: AbortSignal.abort(reason) })).toBe(reason)
    expect(readCursor(issuer, (reason as Error & { cursor?: string }).cursor)).toEqual(beginning)
    await run({})
  })
})
