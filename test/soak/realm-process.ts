/** The test realm in a process of its own, so that its memory is not counted: it does what its parent tells it. */
import { randomInt, randomUUID } from "node:crypto"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"

const file = defaultRealm({ realm: "soak", clientId: "soak-app", clientSecret: randomUUID() })
const [client] = file.clients as { attributes?: Record<string, string> }[]
// Signs ten times as many tokens as RSA in the time.
if (client !== undefined) client.attributes = { "access.token.signed.response.alg": "ES256" }
const realm = await startTestRealm({ realm: { ...file, bruteForceProtected: false } })
realm.addUser({ username: "somebody" })

/** Each with a session of its own; of a few people, or each of somebody new. */
async function mint(count: number, people: "few" | "new"): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, () => {
      const name = people === "new" ? randomUUID() : `person-${randomInt(5000)}`
      const claims = { sub: name, preferred_username: name, email: `${name}@example.test` }
      return realm.issueToken("somebody", claims)
    }),
  )
}

const orders = {
  start: async (): Promise<TestRealm["gateOptions"]> => realm.gateOptions,
  mint: ({ count, people }: { count: number; people: "few" | "new" }): Promise<string[]> => mint(count, people),
  rotate: (removeOld: boolean): Promise<void> => realm.rotateKeys({ removeOld }),
  goDown: (): Promise<void> => realm.goDown(),
  comeBack: (): Promise<void> => realm.comeBack(),
  slow: async (milliseconds: number): Promise<void> => realm.slow(milliseconds),
}

export type Orders = typeof orders

process.on("message", async ({ id, order, argument }: { id: number; order: keyof Orders; argument: never }) => {
  process.send?.({ id, result: await orders[order](argument) })
})
process.on("disconnect", () => process.exit())
