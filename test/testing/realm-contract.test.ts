import { startTestRealm } from "../../src/testing/index.js"
import { describeRealmContract } from "../contracts/realm.ts"

describeRealmContract("the test realm", {
  async open(file) {
    const { url, name, stop } = await startTestRealm({ realm: file, clientId: "gate-app" })
    return { url, realm: name, close: stop }
  },
})
