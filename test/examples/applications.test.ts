import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Listening } from "../../examples/application.ts"
import { createApplication as createExpress } from "../../examples/express/app.ts"
import { createApplication as createFastify } from "../../examples/fastify/app.ts"
import { createApplication as createKoa } from "../../examples/koa/app.ts"
import { createApplication as createNodeHttp } from "../../examples/node-http/app.ts"
import { openStore } from "../../examples/stores/open-store.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createGate, type Gate } from "../../src/index.js"
import { closedPort } from "../adapters/listen.js"
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
