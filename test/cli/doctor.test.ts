import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { promisify, stripVTControlCharacters } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand } from "../../src/cli/cli.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"

const secret = "a-secret-that-nobody-may-see"

interface Ran {
  readonly code: number
  readonly printed: string
  readonly errors: string
}

/** As in a terminal without colours. */
async function run(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<Ran> {
  let [printed, errors] = ["", ""]
  const code = await runCommand(args, {
    env,
    print: text => {
      printed += `${text}\n`
    },
    printError: text => {
      errors += `${text}\n`
    },
    paint: (_, text) => text,
  })
  return { code, printed, errors }
}

let realm: TestRealm
let env: Readonly<Record<string, string>>
beforeAll(async () => {
  realm = await startTestRealm({ clientSecret: secret })
  env = envOf(realm, secret)
})
afterAll(() => realm.stop())

function envOf({ gateOptions }: TestRealm, clientSecret: string): Readonly<Record<string, string>> {
  return {
    KEYCLOAK_URL: gateOptions.serverUrl,
    KEYCLOAK_REALM: gateOptions.realm,
    KEYCLOAK_CLIENT_ID: gateOptions.clientId,
    KEYCLOAK_CLIENT_SECRET: clientSecret,
  }
}

describe("keycloak-gate doctor", () => {
  it("says that nothing is wrong, and what was not looked at", async () => {
    const { code, printed, errors } = await run(["doctor"], env)
    expect([code, errors]).toEqual([0, ""])
    expect(printed).toMatch(/^Nothing is wrong\.\n\nNot looked at: .*--probe.*\n?.*KEYCLOAK_ADMIN/)
  })

  it("reads Django's names too", async () => {
    const { gateOptions, issuer } = realm
    const django = {
      OIDC_OP_TOKEN_ENDPOINT: `${issuer}/protocol/openid-connect/token`,
      OIDC_RP_CLIENT_ID: gateOptions.clientId,
      OIDC_RP_CLIENT_SECRET: secret,
    }
    expect((await run(["doctor"], django)).code).toBe(0)
  })

  it("looks at a person's token with --probe, and leaves nobody behind", async () => {
    const before = realm.users().length
    const { code, printed } = await run(["doctor", "--probe"], env)
    expect(code).toBe(0)
    expect(printed).not.toContain("--probe")
    expect(realm.users().length).toBe(before)
  })

  it("prints what is broken first, in 80 columns, and ends with 2", async () => {
    const { code, printed } = await run(["doctor"], { ...env, KEYCLOAK_CLIENT_SECRET: "change-me-in-production" })
    expect(code).toBe(2)
    expect(printed).toMatch(/^BROKEN {2}secret-wrong\n {2}Keycloak knows the client/)
    expect(printed).toMatch(/\n\nWARNING {2}example-secret\n/)
    expect(printed).toContain("\n1 broken, 1 warning, 0 notes.\n")
    expect(printed.split("\n").filter(line => line.length > 80)).toEqual([])
    expect(printed).not.toContain("change-me-in-production")
  })

  it("ends with 1 where there is no more than a warning", async () => {
    const other = await startTestRealm({ clientSecret: "change-me-in-production" })
    const { code, printed } = await run(["doctor", "--json"], envOf(other, "change-me-in-production"))
    await other.stop()
    expect(code).toBe(1)
    expect(JSON.parse(printed)).toEqual({
      ok: true,
      findings: [expect.objectContaining({ id: "example-secret", severity: "warning" })],
    })
  })

  it("prints JSON with what, why and mend of each finding", async () => {
    const { code, printed } = await run(["doctor", "--json"], { ...env, KEYCLOAK_REALM: "shopp" })
    expect(code).toBe(2)
    const text = expect.stringMatching(/^[A-Z`].*\.$|…\/admin/)
    expect(JSON.parse(printed)).toEqual({
      ok: false,
      findings: [{ id: "realm-unknown", severity: "broken", what: text, why: text, mend: expect.any(String) }],
    })
  })

  it.each([
    ["lacks everything", {}],
    ["has an address that is none", { KEYCLOAK_URL: "sso.example.test" }],
  ])("says what an environment needs that %s", async (_, given) => {
    const { code, printed } = await run(["doctor"], { KEYCLOAK_CLIENT_SECRET: secret, ...given })
    expect(code).toBe(2)
    expect(printed).toMatch(/^BROKEN {2}environment-unusable\n[\s\S]*KEYCLOAK_REALM/)
    expect(printed).not.toContain(secret)
  })

  it("knows an address that goes on into a realm", async () => {
    const { code, printed } = await run(["doctor", "--json"], { ...env, KEYCLOAK_URL: realm.issuer })
    expect(code).toBe(2)
    expect(JSON.parse(printed).findings).toMatchObject([{ id: "server-path", severity: "broken" }])
  })

  it("notes plain http to another machine, which the application has to allow in its own code", async () => {
    const outside = { ...env, KEYCLOAK_INTERNAL_URL: env.KEYCLOAK_URL?.replace("127.0.0.1", "0.0.0.0") }
    const { printed } = await run(["doctor", "--json"], outside)
    expect(JSON.parse(printed).findings.map(({ id }: { id: string }) => id)).not.toContain("environment-unusable")
  })

  it("refuses other arguments without showing them", async () => {
    for (const args of [[secret], ["--secret", secret], [`--secret=${secret}`], ["--json=maybe"]]) {
      const { code, printed, errors } = await run(["doctor", ...args], env)
      expect([code, printed]).toEqual([2, ""])
      expect(errors).toContain("keycloak-gate doctor [--json] [--probe]")
      expect(errors).not.toContain(secret)
    }
  })

  it("takes an administrator for no more than a note where the login does not work", async () => {
    const { code, printed } = await run(["doctor"], { ...env, KEYCLOAK_ADMIN: "root", KEYCLOAK_ADMIN_PASSWORD: secret })
    expect(code).toBe(0)
    expect(printed).toMatch(/^NOTE {2}administrator-refused\n/)
    expect(printed).not.toContain(secret)
  })
})

describe("keycloak-gate", () => {
  it("lists its commands when asked, or for a command that it has not", async () => {
    const asked = await run(["--help"])
    expect(asked).toMatchObject({ code: 0, errors: "" })
    expect(asked.printed).toContain("keycloak-gate doctor")
    expect(await run([])).toEqual(asked)
    const unknown = await run(["docter"])
    expect(unknown).toMatchObject({ code: 2, printed: "" })
    expect(unknown.errors).toContain('There is no command "docter".')
    expect((await run(["toString"])).code).toBe(2)
    const strange = await run([`\u009b31m\u202e${"x".repeat(10_000)}`])
    expect(strange.errors.length).toBeLessThan(5000)
    expect(strange.errors).not.toMatch(/[\u009b\u202e]/)
  })
})

describe("the program", () => {
  it("ends with the command's exit code, and prints no colours where there is no terminal", async () => {
    const source = ["--import", "./test/soak/from-source.ts", "src/cli/main.ts"]
    const { PATH = "" } = process.env
    const failed = await promisify(execFile)(process.execPath, [...source, "doctor"], {
      cwd: join(import.meta.dirname, "../.."),
      env: { PATH, ...env, KEYCLOAK_CLIENT_SECRET: "change-me-in-production" },
    }).catch(error => error)
    expect(failed).toMatchObject({ code: 2, stderr: "" })
    expect(failed.stdout).toMatch(/^BROKEN {2}secret-wrong\n/)
    expect(stripVTControlCharacters(failed.stdout)).toBe(failed.stdout)
  })

  it("goes on to its end where nobody reads what it prints any more", async () => {
    const source = ["--import", "./test/soak/from-source.ts", "src/cli/main.ts"]
    const program = spawn(process.execPath, [...source, "store", "postgres"], {
      cwd: join(import.meta.dirname, "../.."),
    })
    program.stdout.destroy()
    let errors = ""
    program.stderr.on("data", text => {
      errors += text
    })
    const [code] = await once(program, "close")
    expect([code, errors]).toEqual([0, ""])
  })
})
