/** Makes one call of one verb, with a user store in another process, and ends; somebody may kill it at any moment. */
import { createGate, type MemoryUser, type UserStore } from "keycloak-gate"

const { CONNECTION = "", STORE_URL = "", CALL = "" } = process.env

async function inStore(name: keyof UserStore<MemoryUser>, ...values: unknown[]): Promise<never> {
  const answer = await fetch(`${STORE_URL}/${name}`, { method: "POST", body: JSON.stringify(values) })
  return (await answer.json()) as never
}

const gate = createGate({
  ...JSON.parse(CONNECTION),
  userStore: {
    findUser: identity => inStore("findUser", identity),
    saveUser: (profile, extra) => inStore("saveUser", profile, extra),
    removeUser: identity => inStore("removeUser", identity),
  } satisfies UserStore<MemoryUser>,
})
const [verb, ...parameters]: [keyof typeof gate, ...unknown[]] = JSON.parse(CALL)
await (gate[verb] as (...parameters: unknown[]) => Promise<unknown>)(...parameters)
await gate.close()
