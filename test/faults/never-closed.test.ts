import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { Readable } from "node:stream"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { answerWith, hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { openShop } from "../support/shop.ts"

describe("a program that never closes its gate", () => {
  it.each(["local", "introspection", "userinfo", { mode: "local", recheckSeconds: 0.001 }])(
    "ends by itself after verifying with %j",
    async verification => {
      const { gateOptions, issueToken } = await openShop()
      const { serverUrl, realm, clientId, clientSecret } = gateOptions
      const program = join(import.meta.dirname, "verify-and-end.ts")
      // In the environment, since a failure would print the arguments.
      const env = { ...process.env, CLIENT_SECRET: clientSecret, TOKEN: await issueToken("ada") }
      const args = [program, serverUrl, realm, clientId, JSON.stringify(verification)]
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, timeout: 30_000 })
      expect([stdout.trim(), stderr]).toEqual(["ada", ""])
    },
  )
})

describe("a program that closes its gate while its store hangs", () => {
  it("ends at once, and not only after the store's limit", async () => {
    const { gateOptions, issueToken } = await openShop()
    const { serverUrl, realm, clientId, clientSecret } = gateOptions
    const program = join(import.meta.dirname, "close-while-saving.ts")
    const env = { ...process.env, CLIENT_SECRET: clientSecret, TOKEN: await issueToken("ada") }
    const args = [program, serverUrl, realm, clientId]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, timeout: 30_000 })
    expect([stdout, stderr]).toEqual(["saving\nclosed\n", ""])
  })
})

describe("a program that closes its gate", () => {
  const timeoutMs = 20_000
  const hangs = (at?: RegExp) => (realm: FaultyRealm) => realm.breakWith(hangBeforeHeaders, { at })
  const is502 = (realm: FaultyRealm) => realm.breakWith(answerWith({ status: 502 }), { at: /^[A-Z]+ \/admin\// })
  it.each<[string, string, Record<string, unknown>, (realm: FaultyRealm) => void]>([
    ["verifying", "the keys hang", {}, hangs()],
    ["verifying", "introspection hangs", { verification: "introspection", maxConcurrentRequests: 2 }, hangs()],
    ["verifying", "userinfo hangs", { verification: "userinfo", maxConcurrentRequests: 2 }, hangs(paths.userinfo)],
    [
      "verifying",
      "rechecks hang",
      { verification: { mode: "local", recheckSeconds: 0.01 } },
      hangs(paths.introspection),
    ],
    ["verifying", "all is well", {}, () => undefined],
    ["logging in", "it hangs", { maxConcurrentRequests: 2 }, hangs()],
    ["registering", "the create hangs", { timeoutMs: 2000 }, hangs(paths.create)],
    ["registering, with a store that hangs", "all is well", { timeoutMs: 2000 }, () => undefined],
    ["disabling an account", "its Admin API answers 502", {}, is502],
    ["sending a password reset", "the look-up hangs", {}, hangs(paths.find)],
  ])("ends at once after %s while %s", async (work, _, options, begin) => {
    const realm = await startFaultyRealm()
    const tokens = await Promise.all(Array.from({ length: 8 }, () => realm.mint()))
    const subject = realm.users().find(({ username }) => username === "ada")?.id ?? ""
    begin(realm)
    const env = {
      ...process.env,
      GATE_OPTIONS: JSON.stringify({ ...realm.gateOptions, timeoutMs, ...options }),
      WORK: work,
      TOKENS: tokens.join(" "),
      SUBJECT: subject,
    }
    const program = spawn(process.execPath, [join(import.meta.dirname, "close-in-trouble.ts")], { env })
    const failed = new Response(Readable.toWeb(program.stderr) as ReadableStream).text()
    const [said] = await once(program.stdout, "data")
    const closedAt = performance.now()
    const [code] = await once(program, "exit")
    // What would hold it up is `timeoutMs` or the store's limit.
    expect(performance.now() - closedAt).toBeLessThan(timeoutMs / 2)
    expect([String(said), code, await failed]).toEqual(["closed\n", 0, ""])
    await realm.close()
  })
})
