import { PassThrough } from "node:stream"
import { parseEnv, stripVTControlCharacters } from "node:util"
import dotenv from "dotenv"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runCommand } from "../../src/cli/cli.js"
import { envLines } from "../../src/cli/init/env-lines.js"
import { createPrompts } from "../../src/cli/prompts.js"
import type { Prompts, Terminal } from "../../src/cli/terminal.js"
import { checkName } from "../../src/options/server-address.js"

const password = "a-password-that-nobody-may-see"
/** Nobody listens there. */
const nowhere = "http://127.0.0.1:1"

interface Ran {
  readonly code: number
  readonly printed: string
  readonly errors: string
}

async function run(args: readonly string[], env: Terminal["env"] = {}, prompts?: Prompts): Promise<Ran> {
  let [printed, errors] = ["", ""]
  const code = await runCommand(["init", ...args], {
    env,
    print: text => {
      printed += `${text}\n`
    },
    printError: text => {
      errors += `${text}\n`
    },
    paint: (_, text) => text,
    ...(prompts !== undefined && { prompts }),
  })
  return { code, printed, errors }
}

describe("the lines for .env", () => {
  it.each([
    "shop",
    "https://sso.example.test:8443/auth",
    "Größe & Söhne",
    "a # b",
    "it's",
    'a "b" c',
    'it\'s "so"',
    "a\\nb",
    "it's \\n",
    "$HOME",
    "a=b",
    "export x",
  ])("give node --env-file and dotenv the value %s", value => {
    const lines = envLines({ FIRST: value, SECOND: "second" })
    const expected = { FIRST: value, SECOND: "second" }
    expect([parseEnv(lines), dotenv.parse(lines)]).toEqual([expected, expected])
  })

  it("say of a value with line breaks that no line can hold it", () => {
    expect(parseEnv(envLines({ FIRST: "a\nKEYCLOAK_URL=b", SECOND: "second" }))).toEqual({ SECOND: "second" })
  })

  it("do so for every name that Keycloak takes, or say that no line can hold it", () => {
    const names = fc.oneof(
      fc.string({ unit: fc.constantFrom("'", '"', "`", "\\", "#", "n", " ", "$", "ä", "=", "a"), maxLength: 8 }),
      fc.string({ unit: "grapheme" }),
    )
    fc.assert(
      fc.property(
        names.filter(name => "value" in checkName(name, "a name")),
        value => {
          const expected = { FIRST: value, SECOND: "second" }
          const lines = envLines(expected)
          const readable = lines.startsWith("# FIRST") ? { SECOND: "second" } : expected
          expect([parseEnv(lines), dotenv.parse(lines)]).toEqual([readable, readable])
          expect(readable === expected || (value.includes("'") && value.includes("`"))).toBe(true)
        },
      ),
      { numRuns: 3000 },
    )
  })
})

const env = {
  KEYCLOAK_URL: nowhere,
  KEYCLOAK_REALM: "shop",
  KEYCLOAK_CLIENT_ID: "shop-api",
  KEYCLOAK_ADMIN: "admin",
  KEYCLOAK_ADMIN_PASSWORD: password,
}

describe("the questions", () => {
  function terminal(): { prompts: Prompts; type: (keys: string) => void; shown: () => string } {
    const [input, output] = [new PassThrough(), Object.assign(new PassThrough(), { columns: 80, rows: 24 })]
    let shown = ""
    output.on("data", chunk => {
      shown += chunk
    })
    return {
      prompts: createPrompts({ input, output }),
      type: keys => void input.write(keys),
      shown: () => stripVTControlCharacters(shown),
    }
  }

  it("suggest an answer, and say what is wrong with another", async () => {
    const { prompts, type, shown } = terminal()
    const problemOf = (found: string) => (found === "shop" ? undefined : "no such realm")
    const answer = prompts.text("Which realm?", "shop", problemOf)
    type("s\r")
    await expect.poll(shown).toContain("no such realm")
    type("\x7f\r")
    expect(await answer).toBe("shop")
  })

  it("show no letter of a password", async () => {
    const { prompts, type, shown } = terminal()
    const answer = prompts.secret("The secret word")
    type("KQXZ1739\r")
    expect(await answer).toBe("KQXZ1739")
    expect(shown()).toContain("The secret word")
    expect(shown()).not.toMatch(/[KQXZ1739]/)
  })

  it("take Ctrl-C for giving up, and no for no", async () => {
    const { prompts, type } = terminal()
    const cancelled = prompts.confirm("Make these changes?")
    type("\x03")
    expect(await cancelled).toBe(null)
    const refused = prompts.confirm("Make these changes?")
    type("n")
    expect(await refused).toBe(false)
  })
})

describe("keycloak-gate init", () => {
  it.each([
    "api.example.test/backchannel-logout",
    "ftp://api.example.test/out",
    "javascript:alert(1)",
    "https:/api.example.test",
    "https:///out",
    "//api.example.test/out",
    "https://api.example.test/out#there",
    "https://api.example.test/a b",
    "https://api.example.test\\out",
    "https://[::1/out",
    "https://api.example.test/out\n",
    `https://somebody:${password}@api.example.test/out`,
    `https://somebody:${password}@`,
  ])("refuses the logout URL %j before it asks anybody, and shows no password of it", async url => {
    const { code, printed, errors } = await run(["--logout-url", url], env)
    expect([code, printed]).toEqual([2, ""])
    expect(errors).toMatch(/^\nERROR {2}logout-url-unusable\n/)
    expect(errors).not.toContain(password)
  })

  it("names every variable that is missing or can't be used, where nobody is there to ask", async () => {
    const { code, printed, errors } = await run([], { KEYCLOAK_URL: "sso.example.test", KEYCLOAK_ADMIN: "admin" })
    expect([code, printed]).toEqual([2, ""])
    const missing = /KEYCLOAK_URL: expected[\s\S]+KEYCLOAK_REALM is missing[\s\S]+_CLIENT_ID is[\s\S]+_PASSWORD is/
    expect(errors).toMatch(/^\nERROR {2}environment-unusable\n/)
    expect(errors).toMatch(missing)
  })

  it("asks for what the environment lacks, and for the password unseen", async () => {
    const asked: string[] = []
    const prompts: Prompts = {
      text: async (question, suggestion, problemOf) => {
        asked.push(question)
        expect(problemOf("")).toMatch(/^KEYCLOAK_/)
        return suggestion
      },
      secret: async question => {
        asked.push(question)
        return password
      },
      confirm: () => Promise.reject(new Error("nothing to confirm")),
    }
    const { code, errors } = await run([], { KEYCLOAK_URL: nowhere }, prompts)
    expect(asked).toEqual([
      expect.stringContaining("realm"),
      expect.stringContaining("client"),
      expect.stringContaining("administers"),
      expect.stringContaining("password"),
    ])
    expect(code).toBe(2)
    expect(errors).toContain("ERROR  server-refused")
    expect(errors).not.toContain(password)
  })

  it("changes nothing for somebody who gives up", async () => {
    const givesUp = { text: async () => null, secret: async () => null, confirm: async () => null }
    const { code, printed, errors } = await run([], {}, givesUp)
    expect([code, printed]).toEqual([2, ""])
    expect(errors).toContain("ERROR  given-up")
  })

  it("asks nobody with --json, and says in JSON why it stopped", async () => {
    const nobody = () => Promise.reject(new Error("asked"))
    const { code, printed, errors } = await run(["--json"], {}, { text: nobody, secret: nobody, confirm: nobody })
    expect([code, errors]).toEqual([2, ""])
    const error = { id: "environment-unusable", what: expect.any(String), mend: expect.any(String) }
    expect(JSON.parse(printed)).toEqual({ changes: [], env: {}, error })
  })

  it("tells what is wrong with an address as the doctor does", async () => {
    const { code, printed } = await run(["--json", "--yes"], env)
    expect(code).toBe(2)
    expect(JSON.parse(printed).error.id).toBe("server-refused")
    expect(printed).not.toContain(password)
  })

  it("refuses other arguments without showing them", async () => {
    for (const args of [[password], ["--password", password], [`--admin=${password}`], ["--export"], ["--export="]]) {
      const { code, printed, errors } = await run(args, env)
      expect([code, printed]).toEqual([2, ""])
      expect(errors).toContain("keycloak-gate init [--yes] [--dry-run]")
      expect(errors).not.toContain(password)
    }
  })
})
