import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../src")
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(file => file.endsWith(".ts"))

interface Import {
  readonly from: string
  readonly typeOnly: boolean
  /** Not with the file that has it: for its type only, or with the first call. */
  readonly isLate: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8")
  const statements = [...text.matchAll(/(?:import|export)\s+(type\s+)?([^"'();]*?)\s*from\s*"([^"]+)"/g)]
  const dynamic = [...text.matchAll(/import\("([^"]+)"\)/g)].map(([, from = ""]) => ({
    from,
    typeOnly: false,
    isLate: true,
  }))
  const named = statements.map(([, type, names = "", from = ""]) => {
    const typeOnly = type !== undefined || /^\{(\s*type\s+\w+\s*,?)+\s*\}$/.test(names.trim())
    return { from, typeOnly, isLate: typeOnly }
  })
  return [...named, ...dynamic]
}

/** `./x.js` seen from a file, as a path below src. */
function target(file: string, from: string): string {
  return relative(root, normalize(join(root, dirname(file), from))).replace(/\.js$/, ".ts")
}

/** A folder of `src/`, or what lies beside them: what everything uses, and the gate that joins everything. */
const floors = {
  base: [],
  keycloak: ["base"],
  watch: ["base"],
  verify: ["keycloak", "base"],
  login: ["keycloak", "base"],
  sessions: ["verify", "keycloak", "base"],
  users: ["verify", "keycloak", "base"],
  accounts: ["users", "sessions", "login", "keycloak", "base"],
  adoption: ["accounts", "users", "login", "keycloak", "base"],
  setup: ["accounts", "users", "verify", "login", "keycloak", "base"],
  options: ["adoption", "accounts", "users", "sessions", "login", "verify", "keycloak", "base"],
  // Loaded by those who share; the gate knows the option alone.
  redis: ["sessions", "base"],
  gate: [
    "options",
    "setup",
    "adoption",
    "accounts",
    "users",
    "sessions",
    "login",
    "verify",
    "watch",
    "keycloak",
    "base",
  ],
  // Beside the adapters: what it makes is given to `createGate` and `requireUser`.
  migrate: ["options", "verify", "base"],
  cli: ["gate", "options", "setup", "keycloak", "base"],
  adapters: ["gate", "accounts", "users", "login", "verify", "base"],
  telemetry: ["gate", "base"],
  // A stand-in for the server must not share the code that it tests; `UserStore` is what its contract is about.
  testing: ["users", "base"],
} as const satisfies Readonly<Record<string, readonly string[]>>
type Floor = keyof typeof floors

const base = [
  "channels.ts",
  "error-codes.ts",
  "errors.ts",
  "events.ts",
  "fields.ts",
  "foreign-text.ts",
  "load-once.ts",
  "nearest-name.ts",
  "option-reader.ts",
  "refusal.ts",
  "register.ts",
]
const gate = [
  "gate.ts",
  "gate-adoption.ts",
  "gate-health.ts",
  "gate-internals.ts",
  "import-users.ts",
  "index.ts",
  "link-users.ts",
  "sync-users.ts",
]

function floorOf(file: string): Floor {
  if (base.includes(file)) return "base"
  if (gate.includes(file)) return "gate"
  const [folder = ""] = file.split("/")
  if (folder in floors) return folder as Floor
  throw new Error(`${file} belongs to no floor`)
}

const ownImports = new Map(
  files.map(file => [
    file,
    importsOf(file)
      .filter(({ from }) => from.startsWith("."))
      .map(({ from, isLate }) => ({ file: target(file, from), isLate })),
  ]),
)

describe("the source", () => {
  it.each(files)("%s imports only from the floors below its own, types included", file => {
    const may: readonly Floor[] = [floorOf(file), ...floors[floorOf(file)]]
    const wrong = (ownImports.get(file) ?? []).map(imported => imported.file).filter(to => !may.includes(floorOf(to)))
    expect(wrong).toEqual([])
  })

  it("has no file that is reached again from what it imports", () => {
    const done = new Set<string>()
    function circleFrom(file: string, path: readonly string[]): readonly string[] | null {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
      if (done.has(file)) return null
      for (const imported of ownImports.get(file) ?? []) {
        const circle = circleFrom(imported.file, [...path, file])
        if (circle !== null) return circle
      }
      done.add(file)
      return null
    }
    const circles = files.map(file => circleFrom(file, []))
    expect(circles.filter(circle => circle !== null)).toEqual([])
  })

  it("knows the admin client where accounts are asked for, and no more than its types: nothing could limit what it reads", () => {
    const ofClient = files.flatMap(file =>
      importsOf(file).flatMap(({ from, typeOnly }) => (from.startsWith("@keycloak/") ? [{ file, typeOnly }] : [])),
    )
    expect(ofClient.filter(({ file, typeOnly }) => !file.startsWith("accounts/keycloak/") || !typeOnly)).toEqual([])
  })

  it("makes the path of an account in one file, which refuses what would lead elsewhere", () => {
    const makes = (file: string) => /\/users\/["'`]?\s*[$+]/.test(readFileSync(join(root, file), "utf8"))
    const others = files.filter(file => !["testing", "setup", "cli"].includes(floorOf(file)))
    expect(others.filter(makes)).toEqual(["keycloak/admin-api.ts"])
  })

  it.each([
    ["jose", ["verify/token/signature.ts"]],
    ["openid-client", ["keycloak/token-endpoint.ts"]],
    ["fastify-plugin", ["adapters/fastify.ts"]],
    ["@clack/prompts", ["cli/prompts.ts"]],
  ])("imports %s in one file", (vendor, importers) => {
    expect(files.filter(file => importsOf(file).some(({ from }) => from === vendor))).toEqual(importers)
  })

  it("loads what manages accounts with the first call of it: most processes only verify", () => {
    const loaded = new Set<string>()
    function load(file: string): void {
      if (loaded.has(file)) return
      loaded.add(file)
      for (const { file: imported, isLate } of ownImports.get(file) ?? []) if (!isLate) load(imported)
    }
    load("gate.ts")
    expect([...loaded].filter(file => floorOf(file) === "accounts").sort()).toEqual([
      "accounts/accounts.ts",
      "accounts/drain.ts",
    ])
    expect(loaded).toContain("adoption/after-refusal.ts")
    expect(loaded).not.toContain("adoption/move-at-login.ts")
  })

  it("imports frameworks for their types only", () => {
    const vendors = ["express", "fastify", "koa", "hono", "hono/utils/http-status"]
    const atRunTime = files.filter(file =>
      importsOf(file).some(({ from, typeOnly }) => vendors.includes(from) && !typeOnly),
    )
    expect(atRunTime).toEqual([])
  })

  describe("takes the time", () => {
    /** The test realm goes by the clock of its own process, as Keycloak does. */
    const lines = files
      .filter(file => floorOf(file) !== "testing")
      .flatMap(file =>
        readFileSync(join(root, file), "utf8")
          .split("\n")
          .map(line => ({ file, line: line.trim() })),
      )
    const matching = (pattern: RegExp) => lines.filter(({ line }) => pattern.test(line))

    it("from two clocks, looked up at each call, so that fake clocks work that are put on later", () => {
      expect(matching(/\bDate\.now\b|\bperformance\b|\bhrtime\b|\bnew Date\(\)/)).toEqual([
        { file: "gate.ts", line: "const now = () => Date.now()" },
        { file: "gate.ts", line: "const elapsed = () => performance.now()" },
        // The date in a header is a moment, too.
        { file: "keycloak/answer.ts", line: expect.stringContaining("Date.parse(value) - Date.now()") },
        // A store is made before the gate.
        { file: "users/cached-user-store.ts", line: "const elapsed = () => performance.now()" },
      ])
    })

    it("of moments alone from the wall clock: no reading of it is kept for a later one, or for a timer", () => {
      expect(matching(/(?<![<>=!])[=:]\s*now\(\)\s*([,;}]|$)|(?<!new Date)\(now\(\)\)/)).toEqual([])
      expect(matching(/\b(setTimeout|setInterval|delay|sleep)\(.*\bnow\(/)).toEqual([])
    })
  })

  it("has no file whose name says nothing", () => {
    expect(files.filter(file => /(^|\/)(utils|helpers|common|types)\b/.test(file))).toEqual([])
  })
})
