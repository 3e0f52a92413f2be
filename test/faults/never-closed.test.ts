import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
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
    40_000,
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
  }, 40_000)
})
