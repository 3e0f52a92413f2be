// The store contract with Jest. Keycloak's own client and others are ES modules only, hence --experimental-vm-modules.
import { createGate, memoryUserStore } from "keycloak-gate"
import { startTestRealm, userStoreContract } from "keycloak-gate/testing"

describe("our user store", () => {
  for (const { name, run } of userStoreContract(() => memoryUserStore())) it(name, run)
})

it("knows who asks", async () => {
  const realm = await startTestRealm()
  const gate = createGate({ ...realm.gateOptions, userStore: memoryUserStore() })
  const principal = await gate.verifyBearer(`Bearer ${await realm.issueToken(realm.addUser({ username: "ada" }))}`)
  expect(principal.user.username).toBe("ada")
  gate.close()
  await realm.stop()
})
