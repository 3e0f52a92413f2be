import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import express from "express"
import { Redis } from "ioredis"
import { createClient } from "redis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { backchannelLogoutHandler } from "../../src/adapters/express.js"
import { createGate, type Gate, type Session } from "../../src/index.js"
import { redisShared } from "../../src/redis/redis-shared.js"
import { type Listening, listen } from "../adapters/listen.js"
import { audienceMapper } from "../contracts/who-asks.ts"
import { startRedis, type TestRedis } from "../support/redis.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "shop-ended-table"
const password = "Ada-2026-Lovelace!"
const everySeconds = 0.3

const ways = [
  "local",
  "recheckSeconds",
  "introspection",
  "back-channel",
  "back-channel + Redis",
  "watchEvents",
] as const
type Way = (typeof ways)[number]
/** How long a token lives on where a way hears of its end. */
const bounds: Readonly<Record<Way, string>> = {
  local: "at once",
  recheckSeconds: "`recheckSeconds`",
  introspection: "at once",
  "back-channel": "at once",
  "back-channel + Redis": "at once",
  watchEvents: "`everySeconds`",
}

let api: TestClient
let app: Listening
let redis: TestRedis
let gates: Readonly<Record<Way, Gate<null>>>
const clients: { disconnect: () => unknown }[] = []
beforeAll(async () => {
  redis = await startRedis()
  const server = express()
  app = await listen(server)
  api = await changedShop(realm, shop => {
    shop.eventsEnabled = true
    shop.adminEventsEnabled = true
    shop.users
      .find(({ username }) => username === "service-account-shop-api")
      ?.clientRoles?.["realm-management"]?.push("view-events")
    const attributes = {
      "backchannel.logout.url": `${app.url}/backchannel-logout`,
      "backchannel.logout.session.required": "true",
    }
    const front = { enabled: true, publicClient: true, directAccessGrantsEnabled: true, attributes }
    shop.clients.push({ ...front, clientId: "shop-web", protocolMappers: [audienceMapper("shop-api")] })
  })
  const of = (more: object) => createGate({ ...api, audience: null, onEvent: () => undefined, ...more })
  const [one, other] = [new Redis(redis.url), createClient({ url: redis.url })]
  clients.push(one)
  gates = {
    local: of({}),
    recheckSeconds: of({ verification: { mode: "local", recheckSeconds: everySeconds } }),
    introspection: of({ verification: "introspection" }),
    "back-channel": of({ shared: redisShared(one) }),
    "back-channel + Redis": of({ shared: redisShared(other) }),
    watchEvents: of({ watchEvents: { everySeconds } }),
  }
  server.post("/backchannel-logout", backchannelLogoutHandler(gates["back-channel"], { clients: ["shop-web"] }))
})
afterAll(async () => {
  for (const gate of Object.values(gates)) await gate.close()
  for (const client of clients) client.disconnect()
  await app.close()
  await redis.stop()
  await adminFetch("DELETE", `/realms/${realm}`)
})

const admin = async (method: string, path: string, body?: unknown) => {
  const answer = await adminFetch(method, `/realms/${realm}${path}`, body)
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}
const sidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

interface LoggedIn extends Session {
  readonly id: string
}
let people = 0
async function newPerson(): Promise<LoggedIn> {
  people += 1
  const username = `ada-${people}`
  const person = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "L", enabled: true }
  const created = await admin("POST", "/users", { ...person, credentials: [{ type: "password", value: password }] })
  const id = created.headers.get("location")?.split("/").at(-1) ?? ""
  return { ...(await front().loginWithPassword({ username, password, scope: "openid" })), id }
}
function front(): Gate<null> {
  const { clientSecret: _, ...web } = api
  return createGate({ ...web, clientId: "shop-web" })
}
async function revoke(token: string): Promise<void> {
  const url = `${api.serverUrl}/realms/${realm}/protocol/openid-connect/revoke`
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ client_id: "shop-web", token }) })
  expect(answer.status).toBe(200)
}
const outcome = (way: Way, token: string): Promise<string> =>
  gates[way].verifyBearer(`Bearer ${token}`, {}).then(
    () => "passes",
    ({ code, reason }) => reason ?? code,
  )

/** Milliseconds until a way refuses this token. */
async function refusedAfter(way: Way, token: string): Promise<number> {
  const began = performance.now()
  await expect.poll(() => outcome(way, token), { interval: 5 }).toBe("revoked")
  return performance.now() - began
}

interface End {
  readonly what: string
  readonly end: (person: LoggedIn) => Promise<unknown>
  /** Who hears of it. */
  readonly heard: readonly Way[]
}
const asked: readonly Way[] = ["recheckSeconds", "introspection"]
const told: readonly Way[] = ["back-channel", "back-channel + Redis"]
const ends: readonly End[] = [
  {
    what: "the person logs out",
    end: ({ refreshToken }) => front().logout(refreshToken),
    heard: [...asked, ...told, "watchEvents"],
  },
  {
    what: "this process calls `logoutEverywhere`",
    end: ({ id }) => gates.local.logoutEverywhere(id),
    heard: ["local", ...asked, ...told, "watchEvents"],
  },
  {
    what: "an administrator logs the person out",
    end: ({ id }) => admin("POST", `/users/${id}/logout`),
    heard: [...asked, ...told, "watchEvents"],
  },
  {
    what: "an administrator deletes the session",
    end: ({ accessToken }) => admin("DELETE", `/sessions/${sidOf(accessToken)}`),
    heard: [...asked, ...told, "watchEvents"],
  },
  {
    what: "the account is disabled",
    end: ({ id }) => admin("PUT", `/users/${id}`, { enabled: false }),
    heard: [...asked, "watchEvents"],
  },
  {
    what: "the account is deleted",
    end: ({ id }) => admin("DELETE", `/users/${id}`),
    heard: [...asked, "watchEvents"],
  },
  {
    what: "an administrator sets the password",
    end: ({ id }) => admin("PUT", `/users/${id}/reset-password`, { type: "password", value: `${password}-new` }),
    heard: ["watchEvents"],
  },
  {
    what: "the refresh token is revoked",
    end: ({ refreshToken }) => revoke(refreshToken),
    heard: [...asked, "watchEvents"],
  },
  {
    what: "the access token is revoked",
    end: ({ accessToken }) => revoke(accessToken),
    heard: [...asked, "watchEvents"],
  },
  {
    what: "the realm gets a “not before”",
    // Keycloak takes tokens of that very second.
    end: async () => {
      await pause(1100)
      await admin("PUT", "", { notBefore: Math.floor(Date.now() / 1000) })
    },
    heard: [...asked, "watchEvents"],
  },
  {
    what: "everybody is logged out",
    end: async () => {
      await pause(1100)
      await admin("POST", "/logout-all")
    },
    heard: [...asked, "watchEvents"],
  },
]

const slowest = new Map<Way, number>()

describe("a token lives on as long as docs/ended-sessions.md says", () => {
  it.each(ends)("when $what", async ({ end, heard }) => {
    const person = await newPerson()
    for (const way of ways) expect([way, await outcome(way, person.accessToken)]).toEqual([way, "passes"])
    await end(person)
    const took = await Promise.all(heard.map(async way => [way, await refusedAfter(way, person.accessToken)] as const))
    for (const [way, ms] of took) slowest.set(way, Math.max(slowest.get(way) ?? 0, ms))
    for (const way of ways.filter(one => !heard.includes(one)))
      expect([way, await outcome(way, person.accessToken)]).toEqual([way, "passes"])
  })
})

it("is what docs/ended-sessions.md lists (npm run ended-sessions writes it)", () => {
  const file = join(import.meta.dirname, "../../docs/ended-sessions.md")
  const page = readFileSync(file, "utf8")
  const [begin, end] = [page.indexOf("<!-- ended:start -->"), page.indexOf("<!-- ended:end -->")]
  const head = ["what ends", ...ways.map(way => (way.startsWith("back") || way === "local" ? way : `\`${way}\``))]
  const rows = ends.map(({ what, heard }) => [what, ...ways.map(way => (heard.includes(way) ? bounds[way] : "`exp`"))])
  const table = [head, head.map(() => "---"), ...rows].map(cells => `| ${cells.join(" | ")} |`).join("\n")
  const start = `<!-- ended:start -->\n${table}\n`
  if (process.env.MODE === "write-ended-sessions") {
    const times = ways.map(way => `${Math.ceil(slowest.get(way) ?? 0)} ms`)
    const last = [`the slowest in one run, with intervals of ${everySeconds} s`, ...times]
    writeFileSync(file, `${page.slice(0, begin)}${start}| ${last.join(" | ")} |\n${page.slice(end)}`)
  }
  expect([begin > 0, end > begin, readFileSync(file, "utf8").includes(start)]).toEqual([true, true, true])
})
