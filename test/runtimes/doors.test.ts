import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Listening } from "../adapters/listen.js"
import { send } from "../security/applications.ts"
import { holdUp } from "../support/faults.ts"
import { startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { openShop } from "../support/shop.ts"
import { hosts } from "./hosts.ts"
import { installPacked } from "./packed.ts"

const examples = join(import.meta.dirname, "../../examples")
const sourceOf = (file: string, make: string) => `
  import { createGate, memoryUserStore } from "keycloak-gate"
  import { ${make} as create } from ${JSON.stringify(join(examples, file))}
  const makeFetch = options => {
    const made = create(createGate({ ...options, userStore: memoryUserStore(), onEvent() {} }))
    return typeof made === "function" ? made : made.fetch
  }
`
const doors = [
  ["the web application", sourceOf("web/app.ts", "createFetch")],
  ["the Hono application", sourceOf("hono/app.ts", "createApp")],
] as const

let folder: string
let realm: Awaited<ReturnType<typeof openShop>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keycloak-gate-doors-"))
  await installPacked(folder)
  realm = await openShop()
})
afterAll(() => rm(folder, { recursive: true }))

describe.each(hosts.flatMap(host => doors.map(([door, source]) => ({ host, name: host.name, door, source }))))(
  "$door on $name",
  ({ host, name, door, source }) => {
    let served: Listening | undefined
    beforeAll(async () => {
      const own = join(folder, `${name}-${door.replaceAll(" ", "-")}`)
      served = await host.serve(own, source, realm.gateOptions)
    })
    afterAll(() => served?.close())

    async function call(path: string, { body, token }: { body?: unknown; token?: string } = {}) {
      const answer = await fetch(served?.url + path, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      const json = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {}
      return { status: answer.status, json, challenge: answer.headers.get("www-authenticate") }
    }

    it("registers, logs in, guards, refreshes and logs out", async () => {
      const username = `u-${name}-${door.length}`.toLowerCase()
      const names = { username, email: `${username}@shop.example`, firstName: "Ada", lastName: "Lovelace" }
      expect(await call("/register", { body: { ...names, password: "Lovelace-1815" } })).toMatchObject({ status: 201 })
      const { json: session } = await call("/login", { body: { username, password: "Lovelace-1815" } })
      const token = session.access_token as string
      expect(await call("/", { token })).toMatchObject({ status: 200, json: { hello: username } })
      expect(await call("/me", { token })).toMatchObject({ status: 200, json: { username, email: names.email } })
      expect(await call("/editor", { token })).toMatchObject({
        status: 403,
        challenge: expect.stringContaining('error="insufficient_scope"'),
      })
      const { json: renewed } = await call("/refresh", { body: { refresh_token: session.refresh_token } })
      expect(await call("/logout", { body: { refresh_token: renewed.refresh_token } })).toMatchObject({ status: 204 })
      expect(await call("/login", { body: { username, password: "wrong" } })).toMatchObject({ status: 401 })
    })

    it("refuses what is missing, bad and broken, and greets a stranger", async () => {
      expect(await call("/")).toMatchObject({ status: 200, json: { hello: "stranger" } })
      expect(await call("/me")).toMatchObject({ status: 401, challenge: 'Bearer realm="shop"' })
      expect(await call("/", { token: "x.y.z" })).toMatchObject({ status: 401, json: { error: "invalid_token" } })
      expect(await call("/login", { body: '{"username":' })).toMatchObject({ status: 400 })
      expect(await call("/login", { body: {} })).toMatchObject({ status: 400, json: { fields: [{}, {}] } })
      expect(await call("/login", { body: { x: "x".repeat(65_536) } })).toMatchObject({ status: 413 })
    })

    it("sees a second Authorization field, and leaves Digest's commas to Digest", async () => {
      const token = await realm.issueToken("ada")
      const ask = (...fields: string[]) =>
        send(String(served?.url), ["GET / HTTP/1.1", ...fields.map(field => `Authorization: ${field}`)])
      for (const fields of [
        [`Bearer ${token}`, `Bearer ${token}`],
        ["Basic YTpi", `Bearer ${token}`],
        [`Bearer ${token}, x`],
      ]) {
        expect((await ask(...fields)).status).toBe(400)
      }
      const digest = await ask('Digest username="ada", realm="a, Bearer b", uri="/"')
      expect([digest.status, digest.text]).toEqual([200, expect.stringContaining("stranger")])
    })
  },
)

// workerd cuts what a request has begun once that has answered, and tells nobody who waits for it
describe("work on workerd that a request has begun which has answered", () => {
  const timeoutMs = 1500
  const source = (background: string) => `
    import { waitUntil } from "cloudflare:workers"
    import { createGate } from "keycloak-gate"
    import { verifyRequest } from "keycloak-gate/web"
    const makeFetch = options => {
      const gate = createGate({ ...options, timeoutMs: ${timeoutMs}, onEvent() {}, ${background} })
      const works = {
        "/me": request => verifyRequest(gate, request, {}).then(({ username }) => username),
        "/sessions": request => gate.sessions(new URL(request.url).search.slice(1)).then(Array.isArray),
      }
      return async request => {
        const work = works[new URL(request.url).pathname](request)
        if (request.method === "POST") return Response.json(await Promise.race([work, scheduler.wait(400).then(() => "gone")]))
        return Response.json(await work.catch(error => error.code ?? String(error.stack)))
      }
    }
  `
  const works = [
    ["the look-up of keys", paths.certs, "/me", "ada"],
    ["the service token", paths.token, "/sessions", true],
  ] as const

  async function startWorker(background: string) {
    const keycloak = await startFaultyRealm()
    const own = await mkdtemp(join(folder, "lost-"))
    const served = await hosts
      .find(({ name }) => name === "workerd")
      ?.serve(own, source(background), keycloak.gateOptions)
    const authorization = `Bearer ${await keycloak.issueToken("ada")}`
    const id = keycloak.users().find(({ username }) => username === "ada")?.id
    return {
      keycloak,
      ask: async (method: string, path: string) => {
        const answer = await fetch(`${served?.url}${path}?${id}`, { method, headers: { authorization } })
        return answer.json()
      },
      async close() {
        await served?.close()
        await keycloak.close()
      },
    }
  }

  it.each(works)("is begun anew for whoever waits for it (%s)", async (_, endpoint, path, told) => {
    const { keycloak, ask, close } = await startWorker("")
    const { fault, letGo } = holdUp()
    keycloak.breakWith(fault, { at: endpoint, times: 1 })
    expect(await ask("POST", path)).toBe("gone")
    expect(keycloak.requests(endpoint)).toBe(1)
    expect(await Promise.all([ask("GET", path), ask("GET", path)])).toEqual([told, told])
    expect(keycloak.requests(endpoint)).toBe(2)
    await letGo()
    await close()
  })

  it.each(works)("goes on with `background` for whoever waits for it (%s)", async (_, endpoint, path, told) => {
    const { keycloak, ask, close } = await startWorker("background: waitUntil")
    const { fault, letGo } = holdUp()
    keycloak.breakWith(fault, { at: endpoint, times: 1 })
    expect(await ask("POST", path)).toBe("gone")
    const next = ask("GET", path)
    await letGo()
    expect([await next, keycloak.requests(endpoint)]).toEqual([told, 1])
    await close()
  })
})
