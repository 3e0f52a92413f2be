import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { optionsFromEnv } from "../../src/index.js"
import { type Call, type FaultyServer, type Reply, startFaultyServer } from "../support/faulty-server.ts"

const root = join(import.meta.dirname, "../..")
const file = JSON.parse(readFileSync(join(root, "examples/realm.json"), "utf8"))
const printed = [
  file.clients[0].secret,
  ...file.users.flatMap(({ credentials = [] }) => credentials.map(({ value }: { value: string }) => value)),
]

let keycloak: FaultyServer
const imported: { clients: { secret: string }[]; users: { username: string }[] }[] = []
let status = 201
beforeAll(async () => {
  keycloak = await startFaultyServer(answer)
})
beforeEach(() => {
  imported.length = 0
  status = 201
})
afterAll(() => keycloak.close())

/** An administrator's login and the import, as far as the command needs them. */
function answer({ path, body }: Call): Reply {
  if (path.endsWith("/token")) return { status: 200, body: '{"access_token":"t"}' }
  imported.push(JSON.parse(String(body)))
  return { status }
}

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise(resolve => {
    const program = join(root, "examples/import-realm.ts")
    const child = execFile(process.execPath, [program, ...args], (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err })
    })
  })
}

describe("the import of the example realm", () => {
  it("gives each server a secret of its own, and prints what an application needs to use it", async () => {
    const runs = [await run(keycloak.url), await run(keycloak.url)]
    expect(runs.map(({ code }) => code)).toEqual([0, 0])
    const secrets = imported.map(({ clients }) => clients[0]?.secret ?? "")
    expect(new Set(secrets).size).toBe(2)
    for (const [index, { out, err }] of runs.entries()) {
      expect(secrets[index]).toMatch(/^[\w-]{40,}$/)
      expect(optionsFromEnv(parseEnv(out))).toEqual({
        serverUrl: keycloak.url,
        realm: "shop",
        clientId: "shop-api",
        clientSecret: secrets[index],
      })
      for (const secret of [...printed, secrets[index]]) expect(err).not.toContain(secret)
    }
  })

  it("sends nothing that can be read in the file: no secret, nobody's password", async () => {
    await run(keycloak.url)
    expect(imported[0]?.users.map(({ username }) => username)).toEqual(["service-account-shop-api"])
    for (const secret of printed) expect(JSON.stringify(imported)).not.toContain(secret)
  })

  it("takes the people along on this machine with --with-users", async () => {
    expect(await run("--with-users", keycloak.url)).toMatchObject({
      code: 0,
      err: expect.stringContaining("user edith"),
    })
    expect(imported[0]?.users.map(({ username }) => username)).toContain("edith")
    expect(imported[0]?.clients[0]?.secret).not.toBe(file.clients[0].secret)
  })

  it.each([
    "http://keycloak.invalid:8080",
    "https://192.0.2.1",
    "http://127.0.0.1.invalid",
    "http://localhost.invalid",
  ])("takes nobody along to %s, and asks it nothing", async address => {
    expect(await run("--with-users", address)).toEqual({
      code: 1,
      out: "",
      err: expect.stringContaining("this machine only"),
    })
  })

  it("prints no secret where the realm is there already or refused", async () => {
    for (status of [409, 403]) expect(await run(keycloak.url)).toMatchObject({ code: 1, out: "" })
  })

  it.each(["not an address", "--users"])("refuses the argument %s", async argument => {
    expect(await run(argument)).toMatchObject({ code: 1, out: "" })
    expect(imported).toEqual([])
  })
})
