// What `npx keycloak-gate init` prints, and the README begins with.
import express from "express"
import { createGate, memoryUserStore, optionsFromEnv } from "keycloak-gate"
import { authenticate, loginHandler, principalOf, registerHandler, requireUser } from "keycloak-gate/express"

const gate = createGate({
  ...optionsFromEnv(process.env), // the lines in .env
  userStore: memoryUserStore(), // your user table comes here
})

const app = express().use(express.json())
app.post("/register", registerHandler(gate))
app.post("/login", loginHandler(gate))
app.use(authenticate(gate))
app.get("/me", requireUser(), (req, res) => void res.json(principalOf(req).user))
app.listen(3000)
