/** Closes a gate while its store saves for ever; whatever then keeps this process alive is a fault. */
import { createGate } from "keycloak-gate"

const [serverUrl = "", realm = "", clientId = ""] = process.argv.slice(2)
const { CLIENT_SECRET: clientSecret = "", TOKEN: token = "" } = process.env

const gate = createGate({
  ...{ serverUrl, realm, clientId, clientSecret, storeTimeoutMs: 3_600_000 },
  userStore: {
    findUser: () => new Promise<null>(() => undefined),
    saveUser() {
      console.log("saving")
      setImmediate(gate.close)
      return new Promise<null>(() => undefined)
    },
    async removeUser() {},
  },
})
await gate.verifyBearer(`Bearer ${token}`).catch((error: { code: string }) => console.log(error.code))
