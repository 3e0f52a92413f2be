// The store contract with Jest. Tests that are ES modules need --experimental-vm-modules, these need no flag.
const { createGate, memoryUserStore } = require("keycloak-gate")
const { startTestRealm, userStoreContract } = require("keycloak-gate/testing")

const cases = userStoreContract(() => memoryUserStore(), {
  unownedRow: (store, names) => store.addUnlinked(names),
})
describe("our user store", () => {
  for (const { name, run } of cases) it(name, run)
})

it("knows who asks", async () => {
  const realm = await startTestRealm()
  const gate = createGate({ ...realm.gateOptions, userStore: memoryUserStore() })
  const principal = await gate.verifyBearer(`Bearer ${await realm.issueToken(realm.addUser({ username: "ada" }))}`)
  expect(principal.user.username).toBe("ada")
  gate.close()
  await realm.stop()
})
