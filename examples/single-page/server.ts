// Environment: KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_CLIENT_ID, KEYCLOAK_CLIENT_SECRET, PAGE_CLIENT_ID, PG_URL or SQLITE_FILE, PORT
import { createGate, optionsFromEnv } from "keycloak-gate"
import { endInOrder } from "../application.ts"
import { openStore } from "../stores/open-store.ts"
import { createApplication } from "./app.ts"

const options = optionsFromEnv(process.env)
const store = await openStore(process.env)
const gate = createGate({ ...options, userStore: store.userStore })
const { serverUrl, realm } = options
const settings = { url: serverUrl, realm, clientId: process.env.PAGE_CLIENT_ID ?? "shop-web" }
const { url, close } = await createApplication(gate, settings).listen(Number(process.env.PORT ?? 3000))
console.log(`The page with rows in ${store.name} is at ${url}`)

endInOrder(async () => {
  await close()
  await gate.close()
  await store.close()
})
