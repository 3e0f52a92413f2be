import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import type { TestRealm } from "../../src/testing/index.js"
import { secrets } from "../support/refusal-of.ts"
import { openShop } from "../support/shop.ts"

const examples = join(import.meta.dirname, "../../examples")

/** Lines that an application has for its people to be known: imports of the library, the gate, and where it is mounted. */
function ownLines(file: string): readonly string[] {
  const text = readFileSync(join(examples, file), "utf8")
  const imports = [...text.matchAll(/^import (?!type)\{([^}]*)\} from "keycloak-gate[^"]*"/gm)]
  const names = imports.flatMap(([, list = ""]) => list.match(/\w+/g) ?? [])
  // What stands in the line of a route of the application is the route's.
  const isOfRoute = (line: string) => /^\s*(app\.\w+\("|@(Public|RequireUser)\b|\w+\(@)/.test(line)
  const named = new RegExp(`\\b(${[...names, "gate"].join("|")})\\b|keycloak-gate`)
  return text.split("\n").filter(line => named.test(line) && !isOfRoute(line) && !line.startsWith("//"))
}

let realm: TestRealm
let ada: string

beforeAll(async () => {
  realm = await openShop()
  ada = await realm.issueToken(realm.addUser({ username: "adele" }))
  vi.stubEnv("KEYCLOAK_URL", realm.gateOptions.serverUrl)
  vi.stubEnv("KEYCLOAK_REALM", realm.gateOptions.realm)
  vi.stubEnv("KEYCLOAK_CLIENT_ID", realm.gateOptions.clientId)
  vi.stubEnv("KEYCLOAK_CLIENT_SECRET", secrets.clientSecrets[0])
})
afterAll(() => {
  vi.unstubAllEnvs()
})

const request = (path: string, token?: string) =>
  new Request(`http://localhost${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })

describe("an application needs few lines of its own", () => {
  it.each([
    ["nestjs/app.module.ts", 6],
    ["hono/smallest.ts", 4],
    ["next/route.ts", 4],
  ])("%s has at most %i", (file, most) => {
    const lines = ownLines(file)
    expect(lines.length).toBeLessThanOrEqual(most)
    // Two imports and the gate: fewer means that something was overlooked.
    expect(lines.length).toBeGreaterThanOrEqual(3)
  })
})

describe("with these lines people are known", () => {
  it("in a route handler of Next, with what it hands over beside the request", async () => {
    const { GET } = await import("../../examples/next/route.ts")
    const context = { params: Promise.resolve({ id: "7" }) }
    const answers = await Promise.all(
      [undefined, "no-token", ada].map(token => GET(request("/orders/7", token), context)),
    )
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 200])
    expect(await answers[2]?.json()).toEqual({ order: "7", of: "adele" })
  })

  it("in Hono", async () => {
    const { default: app } = await import("../../examples/hono/smallest.ts")
    const ask = async (path: string, token?: string) => app.fetch(request(path, token))
    const answers = await Promise.all([ask("/"), ask("/me"), ask("/", "no-token"), ask("/me", ada)])
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401, 200])
    expect(await answers[3]?.json()).toEqual({ username: "adele" })
  })
})
