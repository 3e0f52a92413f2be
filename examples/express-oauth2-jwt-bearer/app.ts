import express, { type Express, type Request, type Response } from "express"
import type { Gate } from "keycloak-gate"
import { authenticate, type RegisteredUser, requireUser } from "keycloak-gate/express"

/** The same routes with keycloak-gate. */
export function createApplication(gate: Gate<RegisteredUser>): Express {
  const app = express()
  app.use(authenticate(gate))

  app.get("/", hello)
  app.get("/me", requireUser(), hello)
  app.get("/profile", requireUser({ scopes: ["profile", "email"] }), hello)
  app.get("/orders", requireUser({ scopes: ["orders"] }), hello)
  app.get("/either", requireUser({ scopes: ["orders", "email"], any: true }), hello)
  app.get("/admin", requireUser({ realmRoles: ["admin"] }), hello)
  return app
}

function hello(req: Request, res: Response): void {
  res.json({ hello: req.principal?.username ?? "stranger" })
}
