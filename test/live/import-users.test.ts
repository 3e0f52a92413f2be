import { afterAll, beforeAll, describe } from "vitest"
import { describeClosedAccount } from "../contracts/closed-account.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "import-users"
let client: TestClient
beforeAll(async () => {
  client = await changedShop(realm, () => undefined)
})
afterAll(async () => {
  await adminFetch("DELETE", `/realms/${realm}`)
})

describe("a closed account", () => describeClosedAccount(() => client))
