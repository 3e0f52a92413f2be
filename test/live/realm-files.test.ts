import { afterAll, describe, expect, it } from "vitest"
import { startTestRealm } from "../../src/testing/index.js"
import { observe } from "../contracts/realm/observe-realm.ts"
import { describeRealmFiles, realmFileCases } from "../contracts/realm/realm-files.ts"
import { realServer } from "./realms.ts"

describeRealmFiles("the real server", realServer)

describe("a test realm", () => {
  const closing: (() => Promise<void>)[] = []
  // Removing a realm takes a busy server many seconds.
  afterAll(async () => {
    for (const close of closing) await close()
  }, 600_000)

  it.each(realmFileCases)("that takes $name is as the real server with it", async one => {
    const real = await realServer.open(structuredClone(one.file))
    closing.push(real.close)
    const clientId = String(one.file.clients.at(-1)?.clientId)
    const { url, name, stop } = await startTestRealm({ realm: structuredClone(one.file), clientId })
    closing.push(stop)
    const [expected, seen] = [await observe(real, one), await observe({ url, realm: name }, one)]
    for (const [what, answer] of Object.entries(expected)) expect({ [what]: seen[what] }).toEqual({ [what]: answer })
  })
})
