import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

export interface Call {
  readonly method: string
  /** Path with query. */
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
}

/** One request on its way: a fault decides whether its work is done, and what the caller gets to see. */
interface Exchange {
  readonly call: Call
  /** Does what was asked for, as if there were no fault. */
  readonly perform: () => Promise<Reply>
  readonly send: (reply: Reply) => void
  readonly response: ServerResponse
  readonly socket: Socket
}

export type Fault = (exchange: Exchange) => void | Promise<void>

export interface Breakage {
  /** Which requests, as `METHOD /path`; default all. */
  readonly at?: RegExp | undefined
  /** How many of them; default all until `heal`. */
  readonly times?: number
}

/** An HTTP server on a free loopback port that breaks on demand and counts what reaches it. */
export interface FaultyServer {
  readonly url: string
  /** How many requests came, of those that match `METHOD /path`. */
  readonly requests: (which?: RegExp) => number
  readonly breakWith: (fault: Fault, breakage?: Breakage) => void
  /** Nobody listens from now on; open connections are cut. */
  readonly goDown: () => Promise<void>
  /** No fault any more, and listening again on the same port if it was down. */
  readonly heal: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function startFaultyServer(answer: (call: Call) => Reply | Promise<Reply>): Promise<FaultyServer> {
  const seen: string[] = []
  let breakages: { fault: Fault; at: RegExp; left: number }[] = []

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.destroyed) response.writeHead(500).end(`the test's own server failed: ${error}`)
    })
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/", headers, socket } = request
    const name = `${method} ${url.replace(/\?.*$/, "")}`
    seen.push(name)
    const breakage = breakages.find(({ at, left }) => left > 0 && at.test(name))
    if (breakage !== undefined) breakage.left -= 1
    const chunks = await request.toArray().catch(() => null)
    if (chunks === null) return // the caller has hung up
    const body = Buffer.concat(chunks)
    const call = { method, path: url, headers, body }
    const perform = async () => answer(call)
    const send = (reply: Reply) => {
      if (!response.destroyed) response.writeHead(reply.status, reply.headers as never).end(reply.body)
    }
    if (breakage === undefined) send(await perform())
    else await breakage.fault({ call, perform, send, response, socket })
  }

  async function goDown(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, "close")
    server.close()
    server.closeAllConnections()
    await closed
    await delay(1) // so that the callers' ends of idle connections have heard of it too
  }

  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests: (which = /^/) => seen.filter(name => which.test(name)).length,
    breakWith(fault, { at = /^/, times = Number.POSITIVE_INFINITY } = {}) {
      breakages.push({ fault, at, left: times })
    },
    goDown,
    async heal() {
      breakages = []
      if (!server.listening) await listen(server, port)
    },
    close: goDown,
  }
}

/** A port that was given up may be somebody's outgoing connection for a moment. */
async function listen(server: ReturnType<typeof createServer>, port: number, triesLeft = 20): Promise<void> {
  try {
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || triesLeft === 0) throw error
    await delay(100)
    await listen(server, port, triesLeft - 1)
  }
}
