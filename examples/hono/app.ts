import { Hono } from "hono"
import type { Gate } from "keycloak-gate"
import {
  authenticate,
  loginHandler,
  logoutHandler,
  refreshHandler,
  registerHandler,
  requireUser,
} from "keycloak-gate/hono"
import type { Row } from "../stores/row.ts"

declare global {
  namespace KeycloakGate {
    interface Register {
      user: Row // gives principal.user its type in every handler
    }
  }
}

export function createApp(gate: Gate<Row>): Hono {
  const app = new Hono()

  // Before authenticate: whoever logs in may still send an old token along.
  app.post("/register", registerHandler(gate))
  app.post("/login", loginHandler(gate))
  app.post("/refresh", refreshHandler(gate))
  app.post("/logout", logoutHandler(gate))

  app.use(authenticate(gate))

  app.get("/", c => c.json({ hello: c.get("principal")?.username ?? "stranger" }))

  app.get("/me", requireUser(), c => {
    const { id, username, email, plan } = c.get("principal").user
    return c.json({ id, username, email, plan })
  })

  app.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), c =>
    c.json({ editor: c.get("principal").username }),
  )

  return app
}
