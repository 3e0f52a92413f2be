import { afterAll } from "vitest"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { secrets } from "./refusal-of.ts"

// Making its RSA keys takes longer than most tests.
let shop: Promise<TestRealm> | undefined
afterAll(async () => (await shop)?.stop())

/** The test realm of this file, the same for all its tests, with Ada in it. */
export function openShop(): Promise<TestRealm> {
  shop ??= startShop()
  return shop
}

async function startShop(): Promise<TestRealm> {
  const realm = await startTestRealm({ clientSecret: secrets.clientSecrets[0] })
  realm.addUser({ username: "ada", password: secrets.password })
  // The keys are made beside the start, and a test with a short time limit must not wait for them.
  await fetch(`${realm.issuer}/protocol/openid-connect/certs`)
  return realm
}
