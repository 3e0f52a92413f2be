import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Listening } from "../adapters/listen.js"
import { send } from "../security/applications.ts"
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
