import { createServer, type IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import type { Gate, Session } from "keycloak-gate"
import { type Application, listenOn } from "../application.ts"
import type { Row } from "../stores/row.ts"

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** What a request may hold; whether it does, and in the right types, the gate finds out. */
type Body = Record<"username" | "email" | "firstName" | "lastName" | "password" | "otp" | "refresh_token", string>

/** What the adapters do, by hand: the gate has a function for each step, and `refusalFor` an answer to each error. */
export function createApplication(gate: Gate<Row>): Application {
  const routes: Readonly<Record<string, (request: IncomingMessage) => Promise<Answer>>> = {
    async "POST /register"(request) {
      // The gate checks each of them; whatever else a body holds must not get in.
      const { username, email, firstName, lastName, password } = await bodyOf(request)
      const registered = await gate.registerUser({ username, email, firstName, lastName, password })
      return {
        status: 201,
        body: { subject: registered.subject, username: registered.username, email: registered.email },
      }
    },
    async "POST /login"(request) {
      const { username, password, otp } = await bodyOf(request)
      return sessionAnswer(await gate.loginWithPassword({ username, password, otp }))
    },
    async "POST /refresh"(request) {
      return sessionAnswer(await gate.refreshSession((await bodyOf(request)).refresh_token))
    },
    async "POST /logout"(request) {
      await gate.logout((await bodyOf(request)).refresh_token)
      return { status: 204 }
    },
    async "GET /"({ headersDistinct }) {
      const principal = await gate.verifyBearer(headersDistinct.authorization)
      return { status: 200, body: { hello: principal?.username ?? "stranger" } }
    },
    async "GET /me"({ headersDistinct }) {
      const { user } = await gate.verifyBearer(headersDistinct.authorization, { kind: "user" })
      return { status: 200, body: user && { id: user.id, username: user.username, email: user.email, plan: user.plan } }
    },
    async "GET /editor"({ headersDistinct }) {
      const editorsOnly = { clientRoles: { "shop-api": ["editor"] } }
      const { username } = await gate.verifyBearer(headersDistinct.authorization, editorsOnly)
      return { status: 200, body: { editor: username } }
    },
  }

  // Nobody awaits a listener: what it throws, or rejects with, would end the process.
  const server = createServer((request, response) => {
    answerOf(request)
      .catch(answerTo)
      .then(({ status, headers, body }) => {
        const type = body === undefined ? {} : { "Content-Type": "application/json", "Cache-Control": "no-store" }
        response.writeHead(status, { ...type, ...headers }).end(JSON.stringify(body))
      })
      .catch(error => {
        console.error(error)
        response.destroy()
      })
  })

  async function answerOf(request: IncomingMessage): Promise<Answer> {
    const [path] = (request.url ?? "").split("?")
    const route = routes[`${request.method} ${path}`]
    return route === undefined ? { status: 404 } : route(request)
  }

  function answerTo(error: unknown): Answer {
    const refusal = gate.refusalFor(error)
    if (refusal === null) console.error(error)
    return refusal ?? { status: 500 }
  }
  return { listen: (port, drainMs) => listenOn(server, port, drainMs) }
}

/** The fields of a JSON body; one that is malformed, long or of unknown length has none, which the gate answers. */
async function bodyOf(request: IncomingMessage): Promise<Body> {
  const length = Number(request.headers["content-length"] ?? Number.NaN)
  if (!(length <= 10_000)) return {} as Body
  try {
    return Object(JSON.parse(await text(request)))
  } catch {
    return {} as Body
  }
}

/** RFC 6749's names. */
function sessionAnswer(session: Session): Answer {
  const { accessToken, refreshToken, tokenType, expiresInSeconds, refreshExpiresInSeconds, scope } = session
  return {
    status: 200,
    body: {
      access_token: accessToken,
      token_type: tokenType,
      expires_in: expiresInSeconds,
      refresh_token: refreshToken,
      refresh_expires_in: refreshExpiresInSeconds,
      scope,
    },
  }
}
