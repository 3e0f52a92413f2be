import { vi } from "vitest"
import { startTestRealm } from "../../src/testing/index.js"
import { describeRealmFiles } from "../contracts/realm/realm-files.ts"

// Keys take long to make, and a busy machine is slow: what is measured here are answers.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describeRealmFiles("the test realm", {
  async open(file) {
    const clientId = String(file.clients.at(-1)?.clientId)
    const { url, name, stop } = await startTestRealm({ realm: file, clientId })
    return { url, realm: name, close: stop }
  },
})
