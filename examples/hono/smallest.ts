// The whole of a small application, for hosts that serve what a file exports: Bun, Deno, Workers.
import { Hono } from "hono"
import { createGate, optionsFromEnv } from "keycloak-gate"
import { authenticate, requireUser } from "keycloak-gate/hono"
import { openStore } from "../stores/open-store.ts"

const store = await openStore(process.env)
const gate = createGate({ ...optionsFromEnv(process.env), userStore: store.userStore })
const app = new Hono()

app.use(authenticate(gate))
app.get("/", c => c.json({ hello: c.get("principal")?.username ?? "stranger" }))
app.get("/me", requireUser(), c => c.json({ username: c.get("principal").user.username }))

export default app
