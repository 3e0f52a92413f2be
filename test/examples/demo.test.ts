import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "vitest"
import { createNarrator, type Narrator } from "../../examples/demo/narrator.ts"
import { runDemo, storyIn } from "./told-story.ts"

async function told(tell: (narrator: Narrator) => Promise<void>, secrets: readonly string[] = []): Promise<string> {
  const lines: string[] = []
  await tell(createNarrator(line => lines.push(stripVTControlCharacters(line)), secrets))
  return lines.join("\n")
}

const token = ["eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"].join(".")

describe("the demo's narrator", () => {
  it("ends at what went otherwise than told, and says what was expected", async () => {
    let failure: unknown
    const text = await told(async ({ step }) => {
      await step("Ada registers", async ({ expect: hold }) => {
        hold("status", 201, 201)
        hold("rows", [{ id: "1" }, { id: "2" }], [{ id: "1" }])
      }).catch(error => {
        failure = error
      })
    })
    expect((failure as Error).message).toBe('rows: expected [{ "id": "1" }], got [{ "id": "1" }, { "id": "2" }]')
    expect(text).toContain("1 ✗ Ada registers")
    expect(text).toContain('otherwise rows: expected [{ "id": "1" }]')
  })

  it("prints no token, no password and no secret, wherever they stand", async () => {
    const text = await told(
      async ({ say, step }) => {
        say(`said hunter2 and ${token}`)
        await step("hunter2", async ({ request, answer, tell }) => {
          request({ method: "POST", path: `/?t=${token}`, body: { username: "ada", password: "guessed" } })
          const body = { access_token: "opaque-1", refresh_token: "opaque-2", id_token: "opaque-3", scope: token }
          answer({ status: 200, milliseconds: 1, challenge: token, body })
          tell("our log", `hunter2 ${token}`)
        })
      },
      ["hunter2"],
    )
    expect(text).not.toMatch(/eyJ|hunter2|guessed|opaque/)
    expect(text).toContain('"password": "••••"')
    expect(text).toContain('"access_token": "<access token>"')
  })

  it("keeps its lines within 100 columns, and breaks no JSON string", async () => {
    const fields = ["password", "username", "email"].map(field => ({ field, rule: "a rule, with a comma", params: [] }))
    const text = await told(async ({ chapter, step }) => {
      chapter("Registering")
      await step("Somebody", async ({ answer, tell }) => {
        answer({ status: 422, milliseconds: 1, challenge: null, body: { error: "account_rejected", fields } })
        tell("our log", "word ".repeat(60))
      })
    })
    expect(text.split("\n").filter(line => line.length > 100)).toEqual([])
    expect(text.match(/"a rule, with a comma"/g)).toHaveLength(3)
  })
})

const frameworks = ["express", "fastify", "koa", "node-http"]

describe("the demo", () => {
  it("tells one whole story, with nothing secret in it, through each application, on the test realm and SQLite", {
    timeout: 120_000,
  }, async () => {
    // What callers see; the log of plain node:http has a line more where a guard is the gate's own.
    const seen = (output: string) => storyIn(output).map(step => step.replace(/ our log .*/, ""))
    const stories: Record<string, string[]> = {}
    for (const framework of frameworks) {
      const { code, output } = await runDemo("--framework", framework)
      expect(code, output.slice(-2000)).toBe(0)
      expect(output).toMatch(/^Keycloak {5}the test realm of keycloak-gate\/testing, in this process, at /m)
      expect(output).toMatch(/^Database {5}SQLite in a temporary file$/m)
      expect(output).toContain(`examples/${framework}/app.ts at `)
      expect(output).toMatch(/\n26 steps, all as told\. /)
      expect(output).not.toMatch(/eyJ[\w-]{8,}\.|Analytical-1843|Edith-2026!|change-me-in-production/)
      stories[framework] = seen(output)
      expect(stories[framework]).toEqual(stories.express)
    }
  })

  it.each(["--framework hapi", "--framework constructor", "--framework", "--frame koa", "koa"])(
    "answers %s with its usage, and exit code 2",
    { timeout: 30_000 },
    async text => {
      const usage = /usage: npm run demo -- \[--keycloak\] \[--framework express\|fastify\|koa\|node-http\]\n$/
      expect(await runDemo(...text.split(" "))).toEqual({ code: 2, output: expect.stringMatching(usage) })
    },
  )
})
