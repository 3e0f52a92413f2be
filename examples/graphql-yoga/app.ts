import { createServer } from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import { createGraphQLError, createSchema, createYoga } from "graphql-yoga"
import type { Gate, Principal } from "keycloak-gate"
import { type Application, listenOn } from "../application.ts"
import { createHeldStreams, type HeldStream } from "../held-streams.ts"

interface Context {
  readonly principal: Principal<unknown>
  /** Holds the token for as long as the request lives. */
  readonly openStream: () => Promise<HeldStream>
}

const typeDefs = `
  type Query { me: String }
  type Mutation { renew(stream: ID!): Boolean! }
  type Greeting { stream: ID!, hello: String, ended: String }
  type Subscription { greetings: Greeting! }
`

/** `greetings` is a stream for people, whose last greeting tells why it has ended. The mutation `renew`, sent with a newer token, lets it go on. */
export function createApplication(gate: Gate<unknown>): Application {
  const streams = createHeldStreams(gate)

  const schema = createSchema<Context>({
    typeDefs,
    resolvers: {
      Query: { me: (_root, _args, { principal }) => principal.username },
      Mutation: {
        renew: (_root, { stream }, { principal }) => streams.renew(stream, principal.token).then(() => true, refuse),
      },
      Subscription: {
        greetings: {
          async *subscribe(_root: unknown, _args: unknown, { openStream }: Context) {
            const { id, hold, ended } = await openStream().catch(refuse)
            try {
              while (!ended.aborted) {
                yield { greetings: { stream: id, hello: hold.principal.username } }
                await delay(1000, undefined, { signal: ended }).catch(() => undefined)
              }
              yield { greetings: { stream: id, ended: String(ended.reason) } }
            } finally {
              hold.close()
            }
          },
        },
      },
    },
  })

  /** What the caller is told, and no more: a GateError's message is for the log. */
  function refuse(error: unknown): never {
    const refusal = gate.refusalFor(error)
    if (refusal === null) throw error
    const { status, headers, body } = refusal
    const { "Content-Type": _, ...others } = headers // a stream has its own
    const extensions = { code: body.error, http: { status, headers: others } }
    throw createGraphQLError(String(body.error_description), { extensions })
  }

  const yoga = createYoga({
    schema,
    logging: false, // it logs refusals, which are no errors of the application
    async context({ request }): Promise<Context> {
      const principal = await gate.verifyBearer(request.headers.get("authorization"), {}).catch(refuse)
      return { principal, openStream: () => streams.open(principal.token, request.signal) }
    },
  })
  return { listen: (port, drainMs) => listenOn(createServer(yoga), port, drainMs) }
}
