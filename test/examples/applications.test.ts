import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Agent, request } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import type { Listening } from "../../examples/application.ts"
import { createApplication as createExpress } from "../../examples/express/app.ts"
import { createApplication as createFastify } from "../../examples/fastify/app.ts"
import { createApplication as createHono } from "../../examples/hono/node.ts"
import { createApplication as createKoa } from "../../examples/koa/app.ts"
import { createApplication as createNodeHttp } from "../../examples/node-http/app.ts"
import { openStore } from "../../examples/stores/open-store.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createApplication as createWeb } from "../../examples/web/node.ts"
import { createGate, type Gate } from "../../src/index.js"
import { closedPort } from "../adapters/listen.js"
import { holdUp } from "../support/faults.ts"
import { startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { secrets } from "../support/refusal-of.ts"
import { openShop } from "../support/shop.ts"

async function createGateAt(serverUrl: string): Promise<Gate<Row>> {
  const { userStore } = await openStore({}) // SQLite in memory
  const client = { realm: "shop", clientId: "shop-api", clientSecret: "none" }
  return createGate({ serverUrl, ...client, userStore, onEvent: () => {} })
}

async function call(url: string, path: string, { body, token }: { body?: unknown; token?: string } = {}) {
  const answer = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> }
}

const programs: ChildProcess[] = []
afterEach(() => {
  for (const program of programs.splice(0)) program.kill("SIGKILL")
})

describe.each([
  ["express", createExpress],
  ["fastify", createFastify],
  ["koa", createKoa],
  ["node-http", createNodeHttp],
  ["web", createWeb],
  ["hono", createHono],
] as const)("the %s application", (framework, createApplication) => {
  describe("in front of a Keycloak that isn't there", () => {
    let application: Listening

    beforeAll(async () => {
      application = await createApplication(await createGateAt(await closedPort())).listen(0)
    })
    afterAll(() => application.close())

    it("greets a stranger", async () => {
      expect(await call(application.url, "/")).toEqual({ status: 200, json: { hello: "stranger" } })
    })

    it("answers 401 on guarded routes to who brings no token", async () => {
      for (const path of ["/me", "/editor"]) {
        const { status, json } = await call(application.url, path)
        expect([path, status, json.error]).toEqual([path, 401, "credentials_missing"])
      }
    })

    it("answers 503, never 401, to whatever needs Keycloak", async () => {
      const names = { username: "ada", email: "ada@shop.example", firstName: "Ada", lastName: "Lovelace" }
      const bodies = {
        "/register": { ...names, password: "Lovelace-1815" },
        "/login": { username: "ada", password: "Lovelace-1815" },
        "/refresh": { refresh_token: "one" },
        "/logout": { refresh_token: "one" },
      }
      for (const [path, body] of Object.entries(bodies)) {
        const { status, json } = await call(application.url, path, { body })
        expect([path, status, json.error]).toEqual([path, 503, "keycloak_unavailable"])
      }
    })

    it("looks at the body of a login, and not at an old token that comes with it", async () => {
      const { status, json } = await call(application.url, "/login", { body: {}, token: "old" })
      expect([status, json.error]).toEqual([400, "invalid_request"])
    })
  })

  it("answers a token with the row of its person, and /editor by role", async () => {
    const realm = await openShop()
    const application = await createApplication(await createGateAt(realm.url)).listen(0)
    try {
      const token = await realm.issueToken("ada")
      expect((await call(application.url, "/", { token })).json).toEqual({ hello: "ada" })
      const { status, json } = await call(application.url, "/me", { token })
      expect([status, json]).toEqual([200, { id: "1", username: "ada", email: "ada@example.test", plan: null }])
      expect((await call(application.url, "/editor", { token })).status).toBe(403)
      const roles = { resource_access: { "shop-api": { roles: ["editor"] } } }
      const editor = await call(application.url, "/editor", { token: await realm.issueToken("ada", roles) })
      expect(editor).toEqual({ status: 200, json: { editor: "ada" } })
    } finally {
      await application.close()
    }
  })

  it("refuses to listen on a port that is taken", async () => {
    const gate = await createGateAt(await closedPort())
    const first = await createApplication(gate).listen(0)
    await expect(createApplication(gate).listen(Number(new URL(first.url).port))).rejects.toThrow("EADDRINUSE")
    await first.close()
  })

  it("runs as a program of its own that reads the environment, and ends when asked to", async () => {
    const child = startServer(framework, { KEYCLOAK_URL: await closedPort() })
    expect((await call(await urlOf(child), "/")).json).toEqual({ hello: "stranger" })
    child.kill()
    expect(await once(child, "exit")).toEqual([0, null])
  })

  // what a parser, a router or a listener of ours could stumble over; the Host field and the body are sent as they are
  it("survives every request line, header and body, and serves the next one", async () => {
    const child = startServer(framework, { KEYCLOAK_URL: await closedPort() })
    let errors = ""
    child.stderr?.on("data", chunk => {
      errors += chunk
    })
    const url = await urlOf(child)
    for (const text of oddRequests) {
      await sendRaw(url, text)
      expect([text.slice(0, 100), child.exitCode, child.signalCode]).toEqual([text.slice(0, 100), null, null])
    }
    expect((await call(url, "/")).json).toEqual({ hello: "stranger" })
    expect(errors).not.toMatch(/unhandled|uncaught/i)
  })

  describe("when it is asked to end", () => {
    /** Twelve logins that Keycloak has not answered yet, on connections that their callers mean to keep. */
    async function startBusy() {
      const keycloak = await startFaultyRealm()
      const { fault, letGo } = holdUp()
      keycloak.breakWith(fault, { at: paths.token })
      const child = startServer(framework, {
        KEYCLOAK_URL: keycloak.url,
        KEYCLOAK_CLIENT_SECRET: keycloak.gateOptions.clientSecret,
      })
      const url = await urlOf(child)
      const agent = new Agent({ keepAlive: true, maxSockets: 12 })
      const login = { username: "ada", password: secrets.password }
      const answers = Promise.allSettled(Array.from({ length: 12 }, () => post(`${url}/login`, login, agent)))
      await expect.poll(() => keycloak.requests(paths.token)).toBe(12)
      const ended = once(child, "exit")
      onTestFinished(async () => {
        agent.destroy()
        await keycloak.close()
      })
      return { child, url, answers, letGo, ended }
    }

    it("answers all twelve requests under way, takes no new caller, and ends with 0", async () => {
      const { child, url, answers, letGo, ended } = await startBusy()
      child.kill("SIGTERM")
      await expect.poll(() => isListening(url)).toBe(false)
      await letGo()
      const answered = { status: "fulfilled", value: { status: 200, connection: "close" } }
      expect(await answers).toEqual(Array(12).fill(answered))
      expect(await ended).toEqual([0, null])
    })

    it("ends at once when it is asked a second time", async () => {
      const { child, url, answers, ended } = await startBusy()
      child.kill("SIGTERM")
      await expect.poll(() => isListening(url)).toBe(false)
      child.kill("SIGINT")
      expect(await ended).toEqual([1, null])
      expect((await answers).map(({ status }) => status)).toEqual(Array(12).fill("rejected"))
    })

    it("cuts who takes longer than it may wait", async () => {
      const application = await createApplication(await createGateAt(await closedPort())).listen(0, 50)
      const { port } = new URL(application.url)
      const slow = connect(Number(port), "127.0.0.1")
      slow.write("POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{")
      const cut = once(slow, "close")
      await expect.poll(() => slow.bytesWritten).toBeGreaterThan(0)
      await call(application.url, "/")
      await application.close()
      await cut
    })
  })

  it("names the variables that it misses, and does not start", async () => {
    const child = startServer(framework, { KEYCLOAK_URL: "" })
    let errors = ""
    child.stderr?.on("data", chunk => {
      errors += chunk
    })
    expect(await once(child, "close")).toEqual([1, null])
    expect(errors).toContain("KEYCLOAK_URL")
  })
})

const json = "Host: x\r\nContent-Type: application/json\r\n"
const withBody = (line: string, body: string, more = "") =>
  `${line}\r\n${json}${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const targets = [
  "//",
  "///",
  "//@",
  "//x:y",
  "//[",
  "/\\",
  "http://",
  "http://[",
  "http://x:99999999/",
  "http://%/me",
  "https://a@b:c@d/",
  "?",
  "??",
  "#",
  "*",
  "/%",
  "/%ff",
  "/%00",
  "/me%2f..%2f",
  "/../..",
  "/me?%",
  "/?__proto__[x]=1",
  "/__proto__",
  "/constructor",
  "x",
  "me:80",
  `/${"a".repeat(15_000)}`,
  `/${"%".repeat(5000)}`,
  `/${"../".repeat(2000)}`,
]
const bodies = [
  "null",
  "[]",
  '"text"',
  "5",
  "{",
  "{}}",
  '{"__proto__":{"username":"x"}}',
  '{"constructor":{"prototype":{"x":1}},"username":{"toString":1}}',
  '{"username":{"$ne":null},"password":["x"]}',
  `{"username":"${"a".repeat(9000)}","password":"\\ud800"}`,
  `${"[".repeat(4000)}`,
  `{"refresh_token":${"[".repeat(900)}1${"]".repeat(900)}}`,
  "\u0000\u0001",
]
const posts = ["/register", "/login", "/refresh", "/logout"]
const oddRequests: readonly string[] = [
  ...["GET", "HEAD", "OPTIONS", "POST", "CONNECT", "TRACE", "PRI", "QUERY"].flatMap(method =>
    targets.map(target => `${method} ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`),
  ),
  ...posts.flatMap(path => bodies.map(body => withBody(`POST ${path} HTTP/1.1`, body))),
  ...posts.flatMap(path => [
    `POST ${path} HTTP/1.1\r\n${json}Content-Length: 50\r\n\r\n{"username":`, // cut off
    `POST ${path} HTTP/1.1\r\n${json}Content-Length: 2\r\n\r\n{"username":"x"}`,
    `POST ${path} HTTP/1.1\r\n${json}Content-Length: -1\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\n${json}Content-Length: 99999999999999999999\r\n\r\n{}`,
    `POST ${path} HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n5\r\n{"use`,
    `POST ${path} HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `POST ${path} HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    withBody(`POST ${path} HTTP/1.1`, "{}", "Content-Encoding: gzip\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}", "Content-Encoding: br\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}", "Content-Encoding: none-such\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}", "Expect: 100-continue\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}", "Expect: something-else\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    withBody(`POST ${path} HTTP/1.1`, "{}").replace("application/json", "application/json; charset=none-such"),
    withBody(`POST ${path} HTTP/1.1`, "{}").replace("application/json", "application/json; charset=utf-7; x"),
    withBody(`POST ${path} HTTP/1.1`, "{}").replace("application/json", "multipart/form-data"),
    withBody(`POST ${path} HTTP/1.1`, "{}").replace("application/json", ";;;"),
    withBody(`POST ${path} HTTP/1.0`, "{}").replace("Host: x\r\n", ""),
  ]),
  ...["/", "/me", "/editor"].flatMap(path => [
    `GET ${path} HTTP/1.1\r\nHost: [\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${"a".repeat(12_000)}\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\nAuthorization: \u00ff\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(2500)}\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nCookie: %;%=%\r\nAccept: ,,;q=x\r\nIf-None-Match: \u0001\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n`,
    `GET ${path} HTTP/2.0\r\nHost: x\r\n\r\n`,
  ]),
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\u0016\u0003\u0001\u0002\u0000\u0001\u0000",
  "\r\n\r\n",
  "GET",
]

/** Sends these characters as bytes, then nothing more, and waits until the other end has closed or said enough. */
function sendRaw(url: string, text: string): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1")
    const hangUp = () => socket.destroy()
    // What is cut off or asks for more is hung up on; everything else has been answered by then.
    socket.setTimeout(50, hangUp)
    socket.on("data", () => socket.setTimeout(5))
    socket.on("error", () => undefined)
    socket.on("close", () => resolve())
    socket.write(text, "latin1")
  })
}

function isListening(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
  return new Promise(resolve => {
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false))
  }).then(isThere => {
    socket.destroy()
    return isThere as boolean
  })
}

function post(url: string, body: object, agent: Agent): Promise<{ status: number; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": JSON.stringify(body).length }
    const sent = request(url, { method: "POST", agent, headers }, answer => {
      const { statusCode = 0, headers } = answer.resume()
      answer.on("end", () => resolve({ status: statusCode, connection: headers.connection })).on("error", reject)
    })
    sent.on("error", reject).end(JSON.stringify(body))
  })
}

function startServer(framework: string, env: NodeJS.ProcessEnv): ChildProcess {
  const program = join(import.meta.dirname, `../../examples/${framework}/server.ts`)
  const keycloak = { KEYCLOAK_REALM: "shop", KEYCLOAK_CLIENT_ID: "shop-api", KEYCLOAK_CLIENT_SECRET: "none" }
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, PORT: "0", PG_URL: "", SQLITE_FILE: "", ...keycloak, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  programs.push(child)
  return child
}

async function urlOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error("The program's output is not piped.")
  for await (const line of createInterface({ input: stdout })) {
    const url = /http:\/\/\S+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error("The program ended before it was listening.")
}
