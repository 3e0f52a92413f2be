// Environment: KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_CLIENT_ID, KEYCLOAK_CLIENT_SECRET, PORT
import { createGate, optionsFromEnv } from "keycloak-gate"
import { endInOrder } from "../application.ts"
import { createApplication } from "./app.ts"

const gate = createGate(optionsFromEnv(process.env))
const { url, close } = await createApplication(gate).listen(Number(process.env.PORT ?? 3000))
console.log(`WebSocket server: ${url}`)

endInOrder(async () => {
  await gate.close() // ends every connection
  await close()
})
