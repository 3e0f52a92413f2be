import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { type Crash, crash, stepsOf, toMarkdown, type Verb, verbs } from "../support/crashes.ts"

let keycloak: TestRealm
const crashes = new Map<Verb, readonly Crash[]>()

beforeAll(async () => {
  const realm = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: undefined })
  const roles = { ...(realm.roles as object), realm: [{ name: "customer" }] }
  const smtpServer = { host: "mail.example.test", from: "shop@example.test" }
  keycloak = await startTestRealm({
    realm: { ...realm, roles, smtpServer, bruteForceProtected: false },
    clientId: "shop-api",
  })
})
afterAll(() => keycloak.stop())

it.each(verbs)(
  "%s, killed at any of its steps, leaves nothing that can't be mended",
  { timeout: 120_000 },
  async verb => {
    const steps = await stepsOf(keycloak, verb)
    // Before a step is after the one before it, for everything that outlives the process.
    const [first = ""] = steps
    const after = steps.map((name, index) => ({ index, name, phase: "after" }) as const)
    const moments = [{ index: 0, name: first, phase: "before" } as const, ...after]
    const results: Crash[] = []
    const queue = moments.entries()
    async function work(): Promise<void> {
      for (const [index, moment] of queue) results[index] = await crash(keycloak, verb, moment)
    }
    await Promise.all(Array.from({ length: 4 }, work))
    expect(results).toHaveLength(steps.length + 1)
    expect(results.at(-1)?.how).toBe("") // nothing
    crashes.set(verb, results)
  },
)

it("the documentation's table of crashes is what this run gave", () => {
  const file = join(import.meta.dirname, "../../docs/failures.md")
  const page = readFileSync(file, "utf8")
  const begin = page.indexOf("\n", page.indexOf("<!-- crashes")) + 1
  const end = page.indexOf("<!-- end of the crashes")
  expect(begin).toBeLessThanOrEqual(end)
  const measured = `\n${toMarkdown(verb => crashes.get(verb) ?? expect.unreachable("every verb is measured"))}\n\n`
  if (process.env.MODE === "write-crashes") writeFileSync(file, page.slice(0, begin) + measured + page.slice(end))
  else expect(page.slice(begin, end)).toBe(measured)
})
