// Environment: KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_CLIENT_ID, KEYCLOAK_CLIENT_SECRET, PG_URL or SQLITE_FILE, PORT
import { createGate, optionsFromEnv } from "keycloak-gate"
import { endInOrder } from "../application.ts"
import { openStore } from "../stores/open-store.ts"
import { createApplication } from "./node.ts"

const store = await openStore(process.env)
const gate = createGate({ ...optionsFromEnv(process.env), userStore: store.userStore })
const { url, close } = await createApplication(gate).listen(Number(process.env.PORT ?? 3000))
console.log(`The web on Node with rows in ${store.name} listens on ${url}`)

endInOrder(async () => {
  await close()
  await gate.close()
  await store.close()
})
