import { vi } from "vitest"
import { startTestRealm } from "../../src/testing/index.js"
import { describeRealmContract } from "../contracts/realm.ts"

// A case holds many requests, and a busy machine is slow: what is measured here are answers.
vi.setConfig({ testTimeout: 60_000 })

describeRealmContract("the test realm", {
  async open(file) {
    const { url, name, stop } = await startTestRealm({ realm: file, clientId: "gate-app" })
    return { url, realm: name, close: stop }
  },
})
