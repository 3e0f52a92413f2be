import type { Gate } from "keycloak-gate"
import {
  guard,
  loginHandler,
  logoutHandler,
  refreshHandler,
  refusalResponse,
  registerHandler,
  verifyRequest,
} from "keycloak-gate/web"
import type { Row } from "../stores/row.ts"

type Handler = (request: Request) => Promise<Response>

/** For every host that hands over the web's `Request`: Bun, Deno, Workers, and Node by way of an adapter. */
export function createFetch(gate: Gate<Row>): Handler {
  const routes: Readonly<Record<string, Handler>> = {
    "POST /register": registerHandler(gate),
    "POST /login": loginHandler(gate),
    "POST /refresh": refreshHandler(gate),
    "POST /logout": logoutHandler(gate),

    async "GET /"(request) {
      try {
        const principal = await verifyRequest(gate, request)
        return Response.json({ hello: principal?.username ?? "stranger" })
      } catch (error) {
        return refusalResponse(gate, error) ?? Promise.reject(error)
      }
    },

    "GET /me": guard(gate, {}, (_request, principal) => {
      const { id, username, email, plan } = principal.user
      return Response.json({ id, username, email, plan })
    }),

    "GET /editor": guard(gate, { clientRoles: { "shop-api": ["editor"] } }, (_request, principal) =>
      Response.json({ editor: principal.username }),
    ),
  }
  return async request => {
    const { pathname } = new URL(request.url)
    return routes[`${request.method} ${pathname}`]?.(request) ?? new Response(null, { status: 404 })
  }
}
