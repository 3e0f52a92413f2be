import { once } from "node:events"
import { connect as connectHttp2, constants, createServer as createHttp2Server } from "node:http2"
import { connect } from "node:net"
import fastify, { type FastifyInstance } from "fastify"
import Koa from "koa"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as onFastify from "../../src/adapters/fastify.js"
import * as onKoa from "../../src/adapters/koa.js"
import { createGate, type Gate, memoryUserStore } from "../../src/index.js"
import { type Listening, listen } from "../adapters/listen.js"
import { holdUp } from "../support/faults.ts"
import { paths } from "../support/paths.ts"
import { applications, type RawAnswer, send } from "./applications.ts"
import { accepted, refused } from "./presented.ts"
import { type Realm, startRealm } from "./realm.ts"

// So short that no unknown key id has to wait for the next look-up.
const keySet = { cooldownSeconds: 0.001 }
let realm: Realm
let valid = ""
beforeAll(async () => {
  realm = await startRealm("ES256", { keySet })
  valid = realm.sign()
})
afterAll(() => realm.close())

const subject = () => String(realm.issuer.claims().sub)

interface Application {
  /** What a request with these fields is answered with; the word TOKEN stands for a good token. */
  readonly ask: (path: string, fields: readonly string[]) => Promise<RawAnswer>
  /** How many requests have reached a handler. */
  readonly visits: () => number
  readonly close: () => Promise<void>
}

type Start = (typeof applications)[number][1]

async function startApplication(start: Start, keepsUsers: boolean): Promise<Application> {
  const { url: serverUrl, realm: name, clientId } = realm.issuer
  const userStore = keepsUsers ? memoryUserStore() : undefined
  const gate = createGate({ serverUrl, realm: name, clientId, userStore, keySet, onEvent: () => undefined })
  let visits = 0
  const application = await start(gate, principal => {
    visits += 1
    return { reached: true, subject: principal?.subject ?? null, hasRow: (principal?.user ?? null) !== null }
  })
  return {
    ask: (path, fields) =>
      send(
        application.url,
        [`GET ${path} HTTP/1.1`, ...fields].map(line => line.replaceAll("TOKEN", valid)),
      ),
    visits: () => visits,
    async close() {
      await application.close()
      gate.close()
    },
  }
}

/** Long words of the request and the values of claims, as far as an answer tells them. */
function told({ text }: RawAnswer, fields: readonly string[]): string[] {
  const words = [valid, ...fields].flatMap(field => field.match(/[\w-]{20,}/g) ?? [])
  const values = [subject(), realm.issuer.url, "ada@example.test", "Lovelace", "shop-web", "cron", '"reached"']
  return [...words, ...values].filter(word => text.includes(word))
}

describe.each(applications.flatMap(([name, start]) => [true, false].map(keepsUsers => ({ name, start, keepsUsers }))))(
  "to $name (with a user store: $keepsUsers)",
  ({ start, keepsUsers }) => {
    let fresh: Application
    let remembering: Application
    beforeAll(async () => {
      fresh = await startApplication(start, keepsUsers)
      remembering = await startApplication(start, keepsUsers)
      for (let sight = 1; sight <= 2; sight++) await remembering.ask("/me", ["Authorization: Bearer TOKEN"])
      expect([fresh.visits(), remembering.visits()]).toEqual([0, 2])
    })
    afterAll(async () => {
      await fresh.close()
      await remembering.close()
    })

    // the same verdict when the gate knows nobody, and twice when it remembers a good token of the same person
    it.each(refused)(
      "$what is refused with $answer.status ($source)",
      async ({ path, makeFields, answer: expected }) => {
        const fields = makeFields(realm)
        const { status, challenge, body } = expected
        const visits = fresh.visits() + remembering.visits()
        for (const application of [fresh, remembering, remembering]) {
          const answer = await application.ask(path, fields)
          expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([status, challenge])
          if (body !== undefined) {
            expect([answer.body, answer.headers.get("cache-control")]).toEqual([body, "no-store"])
          }
          expect(told(answer, fields)).toEqual([])
        }
        expect(fresh.visits() + remembering.visits()).toBe(visits)
      },
    )

    // at first sight and when it is remembered
    it.each(accepted)("$what is let in twice ($source)", async ({ path, makeFields }) => {
      const fields = makeFields(realm)
      const visits = remembering.visits()
      const hasRow = keepsUsers && path !== "/jobs"
      for (let sight = 1; sight <= 2; sight++) {
        const answer = await remembering.ask(path, fields)
        expect([answer.status, answer.body]).toEqual([200, { reached: true, subject: subject(), hasRow }])
        expect(answer.headers.get("www-authenticate")).toBeUndefined()
        expect(remembering.visits()).toBe(visits + sight)
      }
    })
  },
)

describe.each(applications)("a token in a body sent to %s", (_, start) => {
  // RFC 6750 §2.2 is an option that this library does not take (CSRF)
  it.each([
    ["application/x-www-form-urlencoded", (token: string) => `access_token=${token}`],
    ["application/json", (token: string) => JSON.stringify({ access_token: token, authorization: `Bearer ${token}` })],
  ])("as %s is no token", async (type, write) => {
    const handler = vi.fn(() => ({}))
    const application = await start(realm.gate, handler)
    await realm.accept(valid)
    const body = write(valid)
    const fields = [`Content-Type: ${type}`, `Content-Length: ${body.length}`]
    const answer = await send(application.url, ["POST /me HTTP/1.1", ...fields], body)
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="shop"'])
    expect(answer.body.error).toBe("credentials_missing")
    expect(handler).not.toHaveBeenCalled()
    await application.close()
  })
})

describe.each(applications)("a handler's own error on %s", (_, start) => {
  // a status that looks like ours is still the application's; answered once, with no challenge, at each sight of a token
  it.each([401, 403, 418])("of status %i stays the application's", async status => {
    const { gate } = realm
    const handler = vi.fn(() => {
      throw Object.assign(new Error("the handler's own"), { status })
    })
    const application = await start(gate, handler)
    const token = realm.sign()
    for (let sight = 1; sight <= 2; sight++) {
      const answer = await send(application.url, ["GET /me HTTP/1.1", `Authorization: Bearer ${token}`])
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([status, undefined])
      expect(answer.text.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
      expect(handler).toHaveBeenCalledTimes(sight)
    }
    await application.close()
  })
})

describe.each(applications)("a caller of %s who hangs up while the keys are on their way", (_, start) => {
  // nobody is there to be refused; the process lives on, and what waited is not taken for somebody else's
  it("with a bad token reaches no handler, and harms no other caller", async () => {
    const slow = await startRealm()
    const { fault, letGo } = holdUp()
    slow.issuer.breakWith(fault, { at: paths.certs, times: 1 })
    const handler = vi.fn(() => ({ reached: true }))
    const application = await start(slow.gate, handler)
    const { hostname, port } = new URL(application.url)
    const socket = connect(Number(port), hostname)
    socket.write(`GET /open HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slow.sign({ claims: { exp: 1 } })}\r\n\r\n`)
    await expect.poll(() => slow.issuer.requests(paths.certs)).toBe(1)
    socket.resetAndDestroy()
    await once(socket, "close")
    await letGo()
    const answer = await send(application.url, ["GET /me HTTP/1.1", `Authorization: Bearer ${slow.sign()}`])
    expect([answer.status, handler.mock.calls.length]).toEqual([200, 1])
    await application.close()
    await slow.close()
  })
})

/** One application per framework that speaks HTTP/2 through Node's own requests: `/me` alone. */
const applicationsOnHttp2: readonly [name: string, start: (gate: Gate<unknown>) => Promise<Listening>][] = [
  ["Fastify", startFastifyOnHttp2],
  ["Koa", startKoaOnHttp2],
]

async function startFastifyOnHttp2(gate: Gate<unknown>): Promise<Listening> {
  const app = fastify({ http2: true }) as unknown as FastifyInstance
  await app.register(onFastify.authenticate(gate))
  app.get("/me", { onRequest: onFastify.requireUser() }, async request => onFastify.principalOf(request).subject)
  await app.listen({ port: 0, host: "127.0.0.1" })
  return { url: app.listeningOrigin, close: () => app.close() }
}

async function startKoaOnHttp2(gate: Gate<unknown>): Promise<Listening> {
  const app = new Koa().use(onKoa.authenticate(gate)).use(onKoa.requireUser())
  app.use(ctx => {
    ctx.body = onKoa.principalOf(ctx).subject
  })
  return listen(createHttp2Server(app.callback()))
}

/** Status, challenge and body of `/me` over HTTP/2, for fields that may stand twice. */
async function askOnHttp2(url: string, fields: readonly string[]): Promise<readonly unknown[]> {
  const session = connectHttp2(url, { strictSingleValueFields: false } as object)
  const pseudoFields = [":method", "GET", ":path", "/me", ":scheme", "http", ":authority", "localhost"]
  const stream = session.request([...pseudoFields, ...fields])
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>]
  let body = ""
  for await (const chunk of stream) body += chunk
  session.close()
  await once(session, "close")
  return [headers[":status"], headers["www-authenticate"], body]
}

describe.each(applicationsOnHttp2)("a request over HTTP/2 to %s", (_, start) => {
  let application: Listening
  beforeAll(async () => {
    application = await start(realm.gate)
  })
  afterAll(() => application.close())

  const fieldOf = (token: string) => ["authorization", `Bearer ${token}`]
  const challenge = (error: string) => expect.stringMatching(new RegExp(`^Bearer realm="shop", error="${error}"`))

  // RFC 9113 §8.2: field names are the same ones in small letters
  it("is let in with a good token, at first sight and when it is remembered", async () => {
    const token = realm.sign()
    for (let sight = 1; sight <= 2; sight++) {
      expect(await askOnHttp2(application.url, fieldOf(token))).toEqual([200, undefined, subject()])
    }
  })

  // RFC 6750 §3.1
  it("is refused as over HTTP/1.1 without a token and with a bad one", async () => {
    expect(await askOnHttp2(application.url, [])).toEqual([
      401,
      'Bearer realm="shop"',
      expect.stringContaining("credentials_missing"),
    ])
    const expired = fieldOf(realm.sign({ claims: { exp: 1 } }))
    expect(await askOnHttp2(application.url, expired)).toEqual([401, challenge("invalid_token"), expect.anything()])
  })

  // RFC 9110 §5.3: Node keeps the first in silence here too
  it("is refused with 400 with two fields, be both of them good", async () => {
    for (const other of [valid, "x"]) {
      const fields = [...fieldOf(valid), "x", "y", ...fieldOf(other)]
      expect(await askOnHttp2(application.url, fields)).toEqual([400, challenge("invalid_request"), expect.anything()])
    }
  })

  // nobody is there to be refused: the process lives on, and the next one is served
  it("whose caller gives up while the keys are on their way harms nobody", async () => {
    const slow = await startRealm()
    const { fault, letGo } = holdUp()
    slow.issuer.breakWith(fault, { at: paths.certs, times: 1 })
    const application = await start(slow.gate)
    const session = connectHttp2(application.url)
    const stream = session.request({ ":path": "/me", authorization: `Bearer ${slow.sign({ claims: { exp: 1 } })}` })
    await expect.poll(() => slow.issuer.requests(paths.certs)).toBe(1)
    stream.close(constants.NGHTTP2_CANCEL)
    await once(stream, "close")
    await letGo()
    expect(await askOnHttp2(application.url, fieldOf(slow.sign()))).toEqual([200, undefined, subject()])
    session.close()
    await application.close()
    await slow.close()
  })
})
