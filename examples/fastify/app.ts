import Fastify from "fastify"
import type { Gate } from "keycloak-gate"
import {
  authenticate,
  loginHandler,
  logoutHandler,
  principalOf,
  refreshHandler,
  registerHandler,
  requireUser,
} from "keycloak-gate/fastify"
import { type Application, createDrain } from "../application.ts"
import type { Row } from "../stores/row.ts"

declare global {
  namespace KeycloakGate {
    interface Register {
      user: Row // gives principal.user its type in every handler
    }
  }
}

export function createApplication(gate: Gate<Row>): Application {
  // What comes on an open connection while the application ends is answered too.
  const app = Fastify({ return503OnClosing: false })

  // Outside the scope of authenticate: whoever logs in may still send an old token along.
  app.post("/register", registerHandler(gate))
  app.post("/login", loginHandler(gate))
  app.post("/refresh", refreshHandler(gate))
  app.post("/logout", logoutHandler(gate))

  app.register(async guarded => {
    await guarded.register(authenticate(gate))

    guarded.get("/", async request => ({ hello: request.principal?.username ?? "stranger" }))

    guarded.get("/me", { onRequest: requireUser() }, async request => {
      const { id, username, email, plan } = principalOf(request, "user").user
      return { id, username, email, plan }
    })

    const editorsOnly = requireUser({ clientRoles: { "shop-api": ["editor"] } })
    guarded.get("/editor", { onRequest: editorsOnly }, async request => ({ editor: principalOf(request).username }))
  })

  return {
    async listen(port, drainMs) {
      const drain = createDrain(app.server, drainMs)
      const url = await app.listen({ port, host: "127.0.0.1" })
      return { url, close: () => drain(() => app.close()) }
    },
  }
}
