import { expect, it } from "vitest"
import { GateError } from "../../../src/errors.js"
import type { AdminApi } from "../../../src/keycloak/admin-api.js"
import { createEventLog } from "../../../src/sessions/events/event-log.js"
import type { KeycloakEvent } from "../../../src/sessions/events/event-meaning.js"

interface Listed {
  readonly id: string
  readonly time: number
}

const begin = 1_796_000_000_000

/** Keycloak's list of events; whoever reads it gets what is in it by then. */
function logOf(listed: Listed[]) {
  const paths: string[] = []
  const read = async (path: string, parse: (data: unknown) => unknown) => {
    paths.push(path)
    const query = new URLSearchParams(path.slice(path.indexOf("?")))
    const [first, max, since] = ["first", "max", "dateFrom"].map(name => Number(query.get(name)))
    const sorted = listed.filter(({ time }) => time >= (since ?? 0)).sort((one, other) => one.time - other.time)
    const parsed = parse(sorted.slice(first, (first ?? 0) + (max ?? 0)))
    if (parsed === null) throw new GateError("keycloak_unavailable", "not Keycloak's")
    return parsed
  }
  const log = createEventLog({
    api: { read, notKeycloak: () => new GateError("keycloak_unavailable", "") } as unknown as AdminApi,
    path: "/events?type=LOGOUT",
    read: data => {
      const { id, time } = (data ?? {}) as { id?: unknown; time?: unknown }
      return typeof id === "string" && typeof time === "number"
        ? ({ id, time, meaning: null } satisfies KeycloakEvent)
        : null
    },
    from: begin,
  })
  async function readOn(): Promise<string[]> {
    const ids: string[] = []
    for await (const { id } of log.readOn()) ids.push(id)
    return ids
  }
  return { log, readOn, paths }
}

const many = (count: number, timeOf: (at: number) => number): Listed[] =>
  Array.from({ length: count }, (_, at) => ({ id: `e-${at}`, time: timeOf(at) }))

it("reads each event once over all pages, however many are of one millisecond", async () => {
  for (const timeOf of [(at: number) => begin + at, () => begin + 5, (at: number) => begin + Math.floor(at / 150)]) {
    const listed = many(431, timeOf)
    const { log, readOn } = logOf(listed)
    expect((await readOn()).sort()).toEqual(listed.map(({ id }) => id).sort())
    log.done()
    expect(await readOn()).toEqual([])
  }
})

it("reads what is seen late, and what came in the millisecond of the last one", async () => {
  const listed = [{ id: "first", time: begin + 20_000 }]
  const { log, readOn } = logOf(listed)
  expect(await readOn()).toEqual(["first"])
  log.done()
  listed.push({ id: "late", time: begin + 12_000 }, { id: "same", time: begin + 20_000 })
  expect(await readOn()).toEqual(["late", "same"])
  log.done()
  listed.push({ id: "next", time: begin + 20_001 })
  expect(await readOn()).toEqual(["next"])
})

it("reads again what was not done with, and moves on with what was", async () => {
  const listed = many(120, at => begin + at * 1000)
  const { log, readOn, paths } = logOf(listed)
  expect(await readOn()).toHaveLength(120)
  expect(await readOn()).toHaveLength(120)
  log.done()
  paths.length = 0
  expect(await readOn()).toEqual([])
  expect(paths).toEqual([expect.stringContaining(`dateFrom=${begin + 109_000}`)])
})

it("misses nothing where Keycloak removes old events meanwhile", async () => {
  const listed = many(250, at => begin + at)
  const { log } = logOf(listed)
  const ids: string[] = []
  for await (const { id } of log.readOn()) {
    ids.push(id)
    if (ids.length === 50) listed.splice(0, 8)
  }
  expect(ids).toContain("e-249")
  expect(ids.slice(50)).toEqual(
    many(250, at => at)
      .slice(50)
      .map(({ id }) => id),
  )
})

it("takes a list of something else for an outage", async () => {
  const { readOn } = logOf([{ id: 7 as never, time: begin }])
  await expect(readOn()).rejects.toMatchObject({ code: "keycloak_unavailable" })
})
