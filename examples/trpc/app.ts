import { createServer } from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import { initTRPC, TRPCError } from "@trpc/server"
import { createHTTPHandler } from "@trpc/server/adapters/standalone"
import { type Gate, isGateError, type Principal } from "keycloak-gate"
import { type Application, listenOn } from "../application.ts"
import { createHeldStreams, type HeldStream } from "../held-streams.ts"

interface Context {
  readonly principal: Principal<unknown>
  /** Holds the token for as long as the request lives. */
  readonly openStream: () => Promise<HeldStream>
  readonly renew: (stream: string) => Promise<void>
}

const { router, procedure } = initTRPC.context<Context>().create()

/** `greetings` is a stream for people. The mutation `renew`, sent with a newer token, lets it go on. */
const appRouter = router({
  me: procedure.query(({ ctx }) => ctx.principal.username),
  renew: procedure.input(String).mutation(({ ctx, input }) => ctx.renew(input)),
  greetings: procedure.subscription(async function* ({ ctx }) {
    const { id, hold, ended } = await ctx.openStream()
    try {
      while (true) {
        yield { stream: id, hello: hold.principal.username }
        await delay(1000, undefined, { signal: ended }).catch(() => {
          throw new TRPCError({ code: "UNAUTHORIZED", message: String(ended.reason) })
        })
      }
    } finally {
      hold.close()
    }
  }),
})

export type AppRouter = typeof appRouter

export function createApplication(gate: Gate<unknown>): Application {
  const streams = createHeldStreams(gate)

  const handler = createHTTPHandler({
    router: appRouter,
    async createContext({ req, info }): Promise<Context> {
      const principal = await gate.verifyBearer(req.headersDistinct.authorization, {}).catch(refuse)
      return {
        principal,
        openStream: () => streams.open(principal.token, info.signal).catch(refuse),
        renew: stream => streams.renew(stream, principal.token).catch(refuse),
      }
    },
  })
  return { listen: (port, drainMs) => listenOn(createServer(handler), port, drainMs) }
}

/** What the caller is told, and no more: a GateError's message is for the log. */
function refuse(error: unknown): never {
  if (!isGateError(error)) throw error
  const code = error.status === 403 ? "FORBIDDEN" : error.status === 401 ? "UNAUTHORIZED" : "SERVICE_UNAVAILABLE"
  throw new TRPCError({ code, message: error.code })
}
