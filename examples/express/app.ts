import { createServer } from "node:http"
import express from "express"
import type { Gate } from "keycloak-gate"
import {
  authenticate,
  loginHandler,
  logoutHandler,
  principalOf,
  refreshHandler,
  registerHandler,
  requireUser,
} from "keycloak-gate/express"
import { type Application, listenOn } from "../application.ts"
import type { Row } from "../stores/row.ts"

declare global {
  namespace KeycloakGate {
    interface Register {
      user: Row // gives principal.user its type in every handler
    }
  }
}

export function createApplication(gate: Gate<Row>): Application {
  const app = express()
  app.use(express.json())

  // Before authenticate: whoever logs in may still send an old token along.
  app.post("/register", registerHandler(gate))
  app.post("/login", loginHandler(gate))
  app.post("/refresh", refreshHandler(gate))
  app.post("/logout", logoutHandler(gate))

  app.use(authenticate(gate))

  app.get("/", (req, res) => {
    res.json({ hello: req.principal?.username ?? "stranger" })
  })

  app.get("/me", requireUser(), (req, res) => {
    const { id, username, email, plan } = principalOf(req, "user").user
    res.json({ id, username, email, plan })
  })

  app.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), (req, res) => {
    res.json({ editor: principalOf(req).username })
  })

  return { listen: (port, drainMs) => listenOn(createServer(app), port, drainMs) }
}
