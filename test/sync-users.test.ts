import { setTimeout as delay } from "node:timers/promises"
import { describe, expect, it, vi } from "vitest"
import { createGate, memoryUserStore, type SyncUsersOptions, syncUsers, type UserStore } from "../src/index.js"

const connection = { serverUrl: "http://127.0.0.1:9", realm: "shop", clientId: "shop-api", clientSecret: "s" }
const gate = createGate({ ...connection, userStore: memoryUserStore() })

const refusalOf = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error
  }
  return expect.unreachable("it was accepted")
}

describe("syncUsers", () => {
  it.each<[string, Record<string, unknown>]>([
    ["since", { since: "2026-01-01" }],
    ["since", { since: new Date("nonsense") }],
    ["onMissing", { onMissing: "delete" }],
    ["maxMissing", { maxMissing: -1 }],
    ["maxMissing", { maxMissing: 0.1 }],
    ["maxMissing", { maxMissing: "10" }],
    ["cursor", { cursor: "bm90IG91cnM" }],
    ["cursor", { cursor: "" }],
    ["concurrency", { concurrency: 0 }],
    ["concurrency", { concurrency: 1.5 }],
    ["signal", { signal: {} }],
    ["onProgress", { onProgress: "yes" }],
    ["onmissing", { onmissing: "report" }],
    ["__proto__", JSON.parse('{"__proto__": 1}')],
  ])("refuses a wrong option at once: %s %j", (field, options) => {
    expect(refusalOf(() => syncUsers(gate, options as SyncUsersOptions))).toMatchObject({
      code: "config_invalid",
      fields: [{ field }],
    })
  })

  it("takes undefined for every option", () => {
    const names = ["since", "onMissing", "maxMissing", "cursor", "concurrency", "signal", "onProgress"]
    syncUsers(gate, Object.fromEntries(names.map(name => [name, undefined])))
  })

  it("refuses a gate without a userStore, and what is no gate", () => {
    expect(refusalOf(() => syncUsers(createGate(connection)))).toMatchObject({ code: "config_invalid" })
    expect(refusalOf(() => syncUsers({ verifyBearer: gate.verifyBearer }))).toMatchObject({ code: "config_invalid" })
  })

  it("refuses onMissing for a store that can't list its subjects", () => {
    const { listSubjects: _, ...store } = memoryUserStore()
    const without = createGate({ ...connection, userStore: store as UserStore<unknown> })
    expect(refusalOf(() => syncUsers(without, { onMissing: "report" }))).toMatchObject({ code: "config_invalid" })
    syncUsers(without)
  })

  it("gives a cursor to begin from when Keycloak can't be reached, which is good for this issuer only", async () => {
    const error = await syncUsers(gate).then(undefined, thrown => thrown)
    expect(error).toMatchObject({ code: "keycloak_unavailable", cursor: expect.any(String) })
    syncUsers(gate, { cursor: error.cursor })
    const other = createGate({ ...connection, realm: "other", userStore: memoryUserStore() })
    expect(refusalOf(() => syncUsers(other, { cursor: error.cursor }))).toMatchObject({ code: "config_invalid" })
  })

  it("is a promise: one run however often it is waited for", async () => {
    const run: Promise<unknown> = syncUsers(gate)
    const caught = run.catch(thrown => thrown)
    const [error, other] = [await caught, await Promise.resolve(run).then(undefined, thrown => thrown)]
    expect(error).toMatchObject({ code: "keycloak_unavailable" })
    expect(other).toBe(error)
    const after: unknown[] = []
    await expect(run.finally(() => after.push("finally"))).rejects.toBe(error)
    expect(after).toEqual(["finally"])
    await expect(Promise.race([run])).rejects.toBe(error)
  })

  it("asks nothing of anybody before it is iterated or awaited", async () => {
    const fetched = vi.spyOn(globalThis, "fetch")
    const run = syncUsers(gate)
    await delay(20)
    expect(fetched).not.toHaveBeenCalled()
    await expect(run).rejects.toMatchObject({ code: "keycloak_unavailable" })
    expect(fetched).toHaveBeenCalled()
    fetched.mockRestore()
  })
})
