import { startTestRealm } from "../../src/testing/index.js"
import { describeWhoAsks } from "../contracts/who-asks.ts"

describeWhoAsks("the test realm", {
  async open(file) {
    const { url, name, stop } = await startTestRealm({ realm: file, clientId: "gate-app" })
    return { url, realm: name, close: stop }
  },
})
