import { describe } from "vitest"
import { registrationContract } from "../contracts/registration.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const path = "/realms/shop-rules"
const settingsOf = (settings = {}) => ({
  registrationEmailAsUsername: false,
  internationalizationEnabled: false,
  ...settings,
})
let client: Promise<TestClient> | undefined

describe("registerUser on the real server", { timeout: 180_000 }, () => {
  registrationContract({
    async open({ profile, settings }) {
      client ??= changedShop("shop-rules", () => undefined)
      const options = await client
      const answers = [
        await adminFetch("PUT", `${path}/users/profile`, profile),
        await adminFetch("PUT", path, settingsOf(settings)),
      ]
      for (const { status } of answers) if (status >= 300) throw new Error(`the rules of a realm: ${status}`)
      return {
        options,
        accountOf: async subject =>
          (await (await adminFetch("GET", `${path}/users/${subject}`)).json()) as Record<string, unknown>,
      }
    },
    close: async () => void (await adminFetch("DELETE", path)),
  })
})
