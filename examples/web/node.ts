import { createServer } from "node:http"
import { getRequestListener } from "@hono/node-server"
import type { Gate } from "keycloak-gate"
import { type Application, listenOn } from "../application.ts"
import type { Row } from "../stores/row.ts"
import { createFetch } from "./app.ts"

export function createApplication(gate: Gate<Row>): Application {
  const server = createServer(getRequestListener(createFetch(gate)))
  return { listen: (port, drainMs) => listenOn(server, port, drainMs) }
}
