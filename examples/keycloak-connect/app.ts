import express, { type Express, type Request, type Response } from "express"
import type { Gate } from "keycloak-gate"
import { authenticate, type RegisteredUser, requireUser } from "keycloak-gate/express"
import { requirementsFrom } from "keycloak-gate/migrate"

/** The same routes with keycloak-gate. */
export function createApplication(gate: Gate<RegisteredUser>, clientId: string): Express {
  const app = express()
  const role = (name: string | string[], more = {}) => requireUser(requirementsFrom(name, { clientId, ...more }))
  app.use(authenticate(gate))

  app.get("/", hello)
  app.get("/complain", requireUser(), hello)
  app.get("/special", role("special"), hello)
  app.get("/extra-special", role("other-app:special"), hello)
  app.get("/admin", role("realm:admin"), hello)
  app.get("/fancy/:page", role(["realm:nicepants", "mr-fancypants"], { any: true }), hello)
  app.get(
    "/:section/:page",
    requireUser({
      allow: (principal, request) => principal.clientRoles[clientId]?.includes(String(request.params.section)) ?? false,
    }),
    hello,
  )
  return app

  function hello(req: Request, res: Response): void {
    res.json({ hello: req.principal?.username ?? "stranger" })
  }
}
