import { createServer } from "node:http"
import { bodyParser } from "@koa/bodyparser"
import Router from "@koa/router"
import type { Gate } from "keycloak-gate"
import {
  authenticate,
  loginHandler,
  logoutHandler,
  type PrincipalState,
  principalOf,
  refreshHandler,
  registerHandler,
  requireUser,
} from "keycloak-gate/koa"
import Koa from "koa"
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
  // Before authenticate: whoever logs in may still send an old token along.
  const open = new Router()
  open.use(bodyParser())
  open.post("/register", registerHandler(gate))
  open.post("/login", loginHandler(gate))
  open.post("/refresh", refreshHandler(gate))
  open.post("/logout", logoutHandler(gate))

  const router = new Router<PrincipalState>()
  router.get("/", ctx => {
    ctx.body = { hello: ctx.state.principal?.username ?? "stranger" }
  })

  router.get("/me", requireUser(), ctx => {
    const { id, username, email, plan } = principalOf(ctx, "user").user
    ctx.body = { id, username, email, plan }
  })

  router.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), ctx => {
    ctx.body = { editor: principalOf(ctx).username }
  })

  const app = new Koa()
  app.use(open.routes())
  app.use(authenticate(gate))
  app.use(router.routes())
  return { listen: (port, drainMs) => listenOn(createServer(app.callback()), port, drainMs) }
}
