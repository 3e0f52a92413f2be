import { afterAll, beforeAll, describe } from "vitest"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { describeClosedAccount } from "../contracts/closed-account.ts"

let realm: TestRealm
beforeAll(async () => {
  realm = await startTestRealm()
})
afterAll(() => realm.stop())

describe("a closed account", () => describeClosedAccount(() => realm.gateOptions))
