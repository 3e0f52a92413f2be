import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"

let realm: TestRealm
let subject: string
beforeAll(async () => {
  realm = await startTestRealm()
  subject = realm.addUser({ username: "ada" }).id
})
afterAll(() => realm.stop())

const [minute, hour] = [60_000, 3_600_000]
// A registration is dated up to a minute back, a listing to the second.
const earliest = { registered: -minute - 2500, updated: -2500, listed: -3500 }

describe("rows of a process whose clock is wrong", () => {
  it.each([
    [0, 0],
    ...[1000, minute, hour, -1000, -minute, -hour].flatMap(ms => [
      [ms, 0],
      [0, ms],
    ]),
    [hour, -2 * hour],
  ])("are dated by Keycloak's: %i ms ahead, then set by %i ms", async (aheadMs, stepMs) => {
    const { serverUrl, realm: name, clientId, clientSecret } = realm.gateOptions
    const program = join(import.meta.dirname, "with-clock.ts")
    const env = { ...process.env, CLIENT_SECRET: clientSecret }
    const args = [program, serverUrl, name, clientId, subject, String(aheadMs), String(stepMs)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 100_000 })
    const dates = JSON.parse(stdout)
    // A token tells the time to the second, so a clock that is ahead by no more may not be found out.
    const latest = Math.max(...[aheadMs, aheadMs + stepMs].map(ms => (ms <= 1000 ? ms : 0)), 0)
    for (const [step, least] of Object.entries(earliest)) {
      expect({ step, ms: dates[step] }).toEqual({ step, ms: expect.toSatisfy(ms => least <= ms && ms <= latest) })
    }
  })
})
