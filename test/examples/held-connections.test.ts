import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { createTRPCClient, httpLink, httpSubscriptionLink, splitLink } from "@trpc/client"
import { io } from "socket.io-client"
import { afterEach, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import type { Application } from "../../examples/application.ts"
import { createApplication as createYoga } from "../../examples/graphql-yoga/app.ts"
import { createApplication as createEvents } from "../../examples/server-sent-events/app.ts"
import { createApplication as createSocketIo } from "../../examples/socket-io/app.ts"
import { type AppRouter, createApplication as createTrpc } from "../../examples/trpc/app.ts"
import { createApplication as createWs } from "../../examples/ws/app.ts"
import { createGate, type Gate } from "../../src/index.js"
import { secrets } from "../support/refusal-of.ts"
import { openShop } from "../support/shop.ts"

/** One connection to an example. */
interface Connection {
  readonly hello: string
  /** Settles with what the caller is told of the end. */
  readonly ended: Promise<string>
  /** Resolves to the code of a refusal, or null. */
  readonly renew: (token: string) => Promise<string | null>
  readonly close: () => void
}

/** Rejects with the code of a refusal. */
type Connect = (url: string, token: string | undefined) => Promise<Connection>

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const overWs: Connect = (url, token) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace("http", "ws"))
    const send = (message: object) => socket.send(JSON.stringify(message))
    const renewals: ((code: string | null) => void)[] = []
    let end: (told: string) => void = () => undefined
    const ended = new Promise<string>(settle => {
      end = settle
    })
    socket.on("open", () => send({ token }))
    socket.on("message", data => {
      const { hello, renewed, error } = JSON.parse(String(data))
      if (renewed !== undefined || error !== undefined) renewals.shift()?.(error ?? null)
      if (hello === undefined) return
      const renew = (newer: string) => {
        send({ token: newer })
        return new Promise<string | null>(settled => renewals.push(settled))
      }
      resolve({ hello, ended, renew, close: () => socket.close() })
    })
    socket.on("close", (code, reason) => {
      end(String(reason))
      reject(new Error(String(code)))
    })
  })

const overSocketIo: Connect = (url, token) =>
  new Promise((resolve, reject) => {
    const socket = io(url, { auth: { token }, reconnection: false, forceNew: true, transports: ["websocket"] })
    const ended = new Promise<string>(end => socket.on("ended", end))
    socket.on("connect_error", error => reject(new Error((error as Error & { data?: { error?: string } }).data?.error)))
    socket.on("hello", hello => {
      const renew = async (newer: string) => (await socket.emitWithAck("renew", newer))?.error ?? null
      resolve({ hello, ended, renew, close: () => socket.disconnect() })
    })
  })

/** Blocks of a stream of events. */
async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: string }> {
  let text = ""
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    const blocks = text.split("\n\n")
    text = blocks.pop() ?? ""
    for (const block of blocks)
      yield { event: /^event: ?(.*)$/m.exec(block)?.[1] ?? "", data: /^data: ?(.*)$/m.exec(block)?.[1] ?? "" }
  }
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

const overEvents: Connect = async (url, token) => {
  const gone = new AbortController()
  const response = await fetch(`${url}/events`, { headers: bearer(token), signal: gone.signal })
  if (!response.ok) throw new Error(((await response.json()) as { error: string }).error)
  const events = eventsOf(response)
  const first = await events.next()
  const { id, username } = JSON.parse(first.value?.data ?? "{}")
  return {
    hello: username,
    ended: lastOf(events).then(last => String(JSON.parse(last?.data ?? "{}").reason)),
    async renew(newer) {
      const answer = await fetch(`${url}/events/${id}`, { method: "POST", headers: bearer(newer) })
      return answer.ok ? null : ((await answer.json()) as { error: string }).error
    },
    close: () => gone.abort(),
  }
}

/** The last one before the end, or before somebody hung up. */
async function lastOf<Value>(
  values: AsyncIterable<Value>,
  counts: (value: Value) => boolean = () => true,
): Promise<Value | undefined> {
  let last: Value | undefined
  try {
    for await (const value of values) if (counts(value)) last = value
  } catch {
    // Hung up.
  }
  return last
}

interface GraphQlAnswer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly { readonly message: string; readonly extensions: Record<string, unknown> }[]
}

const overYoga: Connect = async (url, token) => {
  const gone = new AbortController()
  const ask = (query: string, accept: string, as: string | undefined) =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept, ...bearer(as) },
      body: JSON.stringify({ query }),
      signal: gone.signal,
    })
  const response = await ask("subscription { greetings { stream hello ended } }", "text/event-stream", token)
  const events = eventsOf(response)
  let first: GraphQlAnswer = {}
  while (first.data === undefined || first.data === null) {
    const { value } = await events.next()
    if (value?.data) first = JSON.parse(value.data)
    if (first.errors !== undefined) throw new Error(String(first.errors[0]?.extensions.code))
  }
  const { stream, hello } = first.data.greetings as { stream: string; hello: string }
  const ended = lastOf(events, ({ event }) => event === "next").then(last => {
    const { data }: GraphQlAnswer = JSON.parse(last?.data ?? "{}")
    return String((data?.greetings as { ended?: string } | undefined)?.ended)
  })
  return {
    hello,
    ended,
    async renew(newer) {
      const answer = await ask(`mutation { renew(stream: "${stream}") }`, "application/json", newer)
      const { errors } = (await answer.json()) as GraphQlAnswer
      return errors === undefined ? null : String(errors[0]?.extensions.code)
    },
    close: () => gone.abort(),
  }
}

const overTrpc: Connect = (url, token) => {
  const clientOf = (as: string | undefined) =>
    createTRPCClient<AppRouter>({
      links: [
        splitLink({
          condition: ({ type }) => type === "subscription",
          true: httpSubscriptionLink({ url, EventSource: eventSourceWith(bearer(as)) }),
          false: httpLink({ url, headers: bearer(as) }),
        }),
      ],
    })
  return new Promise((resolve, reject) => {
    let end: (told: string) => void = () => undefined
    const ended = new Promise<string>(settle => {
      end = settle
    })
    const subscription = clientOf(token).greetings.subscribe(undefined, {
      onData({ stream, hello }) {
        const renew = (newer: string) =>
          clientOf(newer)
            .renew.mutate(stream)
            .then(
              () => null,
              (error: Error) => error.message,
            )
        resolve({ hello: String(hello), ended, renew, close: () => subscription.unsubscribe() })
      },
      onError(error) {
        end(error.message)
        reject(error)
      },
    })
    open.push(() => subscription.unsubscribe())
  })
}

/** An EventSource that sends headers, as the packages for it do; it does not come again. */
function eventSourceWith(headers: Record<string, string>) {
  return class extends EventTarget {
    static readonly CONNECTING = 0
    static readonly OPEN = 1
    static readonly CLOSED = 2
    readyState = 0
    readonly #gone = new AbortController()

    constructor(url: string) {
      super()
      this.#read(url).catch(() => undefined)
    }

    async #read(url: string): Promise<void> {
      const response = await fetch(url, { headers, signal: this.#gone.signal })
      if (!response.ok) {
        const { error } = (await response.json()) as { error: { message: string } }
        this.#say("serialized-error", JSON.stringify(error))
        return
      }
      this.readyState = 1
      this.dispatchEvent(new Event("open"))
      for await (const { event, data } of eventsOf(response)) this.#say(event || "message", data)
    }

    #say(type: string, data: string): void {
      this.dispatchEvent(new MessageEvent(type, { data }))
    }

    close(): void {
      this.readyState = 2
      this.#gone.abort()
    }
  } as never
}

const examples: readonly {
  readonly name: string
  readonly create: (gate: Gate<unknown>) => Application
  readonly connect: Connect
  readonly refusal: (code: string, status: number) => string
}[] = [
  { name: "ws", create: createWs, connect: overWs, refusal: (_, status) => String(4000 + status) },
  { name: "socket-io", create: createSocketIo, connect: overSocketIo, refusal: code => code },
  { name: "server-sent-events", create: createEvents, connect: overEvents, refusal: code => code },
  { name: "graphql-yoga", create: createYoga, connect: overYoga, refusal: code => code },
  { name: "trpc", create: createTrpc, connect: overTrpc, refusal: code => code },
]

describe.each(examples)("the example with $name", ({ name, create, connect, refusal }) => {
  async function start() {
    const realm = await openShop()
    const gate = createGate({
      ...realm.gateOptions,
      clockToleranceSeconds: 0,
      verification: { mode: "local", recheckSeconds: 0.05 },
      onEvent: () => undefined,
    })
    const { url, close } = await create(gate).listen(0, 100)
    open.push(gate.close, close)
    const inSeconds = (seconds: number) => ({ exp: Date.now() / 1000 + seconds })
    const connecting = async (token: string | undefined) => {
      const connection = await connect(url, token)
      open.push(connection.close)
      return connection
    }
    return { realm, gate, connecting, inSeconds, mint: (seconds = 300) => realm.issueToken("ada", inSeconds(seconds)) }
  }

  it("greets by the name in the token, and refuses who has none, or a bad one", async () => {
    const { connecting, mint } = await start()
    expect((await connecting(await mint())).hello).toBe("ada")
    await expect(connecting(undefined)).rejects.toThrow(refusal("credentials_missing", 401))
    await expect(connecting("x.y.z")).rejects.toThrow(refusal("invalid_token", 401))
  })

  it("ends the connection when the token expires", async () => {
    const { connecting, mint } = await start()
    expect(await (await connecting(await mint(0.7))).ended).toContain("expired")
  })

  it("ends the connection when its session has ended", async () => {
    const { realm, gate, connecting } = await start()
    const session = await gate.loginWithPassword({ username: "ada", password: secrets.password })
    const { ended } = await connecting(session.accessToken)
    const elsewhere = createGate(realm.gateOptions)
    open.push(elsewhere.close)
    await elsewhere.logout(session.refreshToken)
    expect(await ended).toContain("revoked")
  })

  it("ends the connection when the gate is closed", async () => {
    const { gate, connecting, mint } = await start()
    const { ended } = await connecting(await mint())
    await gate.close()
    expect(await ended).toContain("closed")
  })

  it("goes on with a newer token, and not with somebody else's", async () => {
    const { realm, connecting, mint, inSeconds } = await start()
    const firstEndsAt = Date.now() + 700
    const { ended, renew } = await connecting(await mint(0.7))
    if (!realm.users().some(({ username }) => username === "bob")) realm.addUser({ username: "bob" })
    const isOver = ended.then(() => true)
    expect(await renew(await realm.issueToken("bob", inSeconds(300)))).not.toBeNull()
    expect(await renew(await mint(1.7))).toBeNull()
    await expect.poll(() => Date.now()).toBeGreaterThan(firstEndsAt + 100)
    expect(await Promise.race([isOver, Promise.resolve(false)])).toBe(false)
    expect(await ended).toContain("expired")
  })

  it("runs as a program of its own, which ends its connections and itself when asked to", async () => {
    const realm = await openShop()
    const { serverUrl, clientId, clientSecret } = realm.gateOptions
    const program = spawn(process.execPath, [join(import.meta.dirname, `../../examples/${name}/server.ts`)], {
      env: {
        ...process.env,
        PORT: "0",
        KEYCLOAK_URL: serverUrl,
        KEYCLOAK_REALM: realm.name,
        KEYCLOAK_CLIENT_ID: clientId,
        KEYCLOAK_CLIENT_SECRET: clientSecret,
      },
      stdio: ["ignore", "pipe", "inherit"],
    })
    open.push(() => program.kill("SIGKILL"))
    const [line] = await once(program.stdout, "data")
    const { ended, hello } = await connect(/http:\S+/.exec(String(line))?.[0] ?? "", await realm.issueToken("ada"))
    expect(hello).toBe("ada")
    const exit = once(program, "exit")
    program.kill("SIGTERM")
    expect(await ended).toContain("closed")
    expect(await exit).toEqual([0, null])
  })

  it("lets go of a connection whose caller is gone", async () => {
    const { gate, connecting, mint, realm } = await start()
    const { close } = await connecting(await mint())
    close()
    // Nobody is asked about it any more.
    await expect
      .poll(
        async () => {
          realm.forgetRequests()
          await new Promise(resolve => setTimeout(resolve, 300))
          return realm.requests.filter(({ path }) => path.endsWith("/introspect")).length
        },
        { interval: 1 },
      )
      .toBe(0)
    expect(gate.health().recheckBacklog).toBe(0)
  })
})

describe("the example with ws", () => {
  it("needs 8 lines of its own for the authentication", async () => {
    const text = await readFile(join(import.meta.dirname, "../../examples/ws/app.ts"), "utf8")
    const [, own = ""] = text.split(/\/\/ (?:end of )?authentication\n/)
    expect(own.trim().split("\n").length).toBeLessThanOrEqual(8)
  })
})
