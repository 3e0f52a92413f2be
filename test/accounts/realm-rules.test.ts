import { describe } from "vitest"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { registrationContract } from "../contracts/registration.ts"
import { secrets } from "../support/refusal-of.ts"

const running: TestRealm[] = []

describe("registerUser on the test realm", () => {
  registrationContract({
    async open({ profile, settings }) {
      const file = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: secrets.clientSecrets[0] })
      const config = { "kc.user.profile.config": [JSON.stringify(profile)] }
      const component = { providerId: "declarative-user-profile", config }
      const components = { "org.keycloak.userprofile.UserProfileProvider": [component] }
      const realm = await startTestRealm({ realm: { ...file, ...settings, components } })
      running.push(realm)
      return {
        options: realm.gateOptions,
        async accountOf(subject) {
          const { username = "", ...account } = realm.users().find(({ id }) => id === subject) ?? {}
          const present = Object.entries({ username, ...account }).filter(([, value]) => value !== null)
          return Object.fromEntries(present)
        },
      }
    },
    async close() {
      for (const realm of running) await realm.stop()
    },
  })
})
