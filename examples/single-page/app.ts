import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import express from "express"
import type { Gate } from "keycloak-gate"
import { authenticate, backchannelLogoutHandler, principalOf, requireUser } from "keycloak-gate/express"
import { type Application, listenOn } from "../application.ts"
import type { Row } from "../stores/row.ts"

declare global {
  namespace KeycloakGate {
    interface Register {
      user: Row // gives principal.user its type in every handler
    }
  }
}

/** What the page needs to send people to Keycloak: `clientId` is the page's own, a public client. */
export interface PageSettings {
  readonly url: string
  readonly realm: string
  readonly clientId: string
}

/** One process serves the page and the API that it asks. */
export function createApplication(gate: Gate<Row>, settings: PageSettings): Application {
  const app = express()
  app.get("/settings.json", (_request, response) => void response.json(settings))
  app.get("/keycloak.js", (_request, response) => {
    response.sendFile(fileURLToPath(import.meta.resolve("keycloak-js")))
  })
  app.use(express.static(join(import.meta.dirname, "page")))

  // People log in at the page's client. So it is that client which Keycloak tells of the end, at the URL set there.
  app.post("/backchannel-logout", backchannelLogoutHandler(gate, { clients: [settings.clientId] }))

  app.use(authenticate(gate))
  app.get("/me", requireUser(), (request, response) => {
    const { id, username, email } = principalOf(request, "user").user
    response.json({ id, username, email })
  })

  return { listen: (port, drainMs) => listenOn(createServer(app), port, drainMs) }
}
