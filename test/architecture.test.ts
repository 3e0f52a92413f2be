import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../src")
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(file => file.endsWith(".ts"))

interface Import {
  readonly from: string
  readonly typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8")
  const statements = [...text.matchAll(/(?:import|export)\s+(type\s+)?([^"'();]*?)\s*from\s*"([^"]+)"/g)]
  const dynamic = [...text.matchAll(/import\("([^"]+)"\)/g)].map(([, from = ""]) => ({ from, typeOnly: false }))
  const named = statements.map(([, type, names = "", from = ""]) => ({
    from,
    typeOnly: type !== undefined || /^\{(\s*type\s+\w+\s*,?)+\s*\}$/.test(names.trim()),
  }))
  return [...named, ...dynamic]
}

/** `./x.js` seen from a file, as a path below src. */
function target(file: string, from: string): string {
  return relative(root, normalize(join(root, dirname(file), from))).replace(/\.js$/, ".ts")
}

const layers = ["testing", "adapters", "gate", "use case", "keycloak", "user", "bearer", "errors"] as const
type Layer = (typeof layers)[number]

function layerOf(file: string): Layer {
  const folder = file.split("/")[0]
  if (
    folder === "testing" ||
    folder === "adapters" ||
    folder === "keycloak" ||
    folder === "user" ||
    folder === "bearer"
  )
    return folder
  if (file === "gate.ts" || file === "gate-accounts.ts" || file === "index.ts") return "gate"
  if (["errors.ts", "events.ts", "fields.ts", "foreign-text.ts", "mail-options.ts"].includes(file)) return "errors"
  return "use case"
}

/** Run-time imports may go to these layers; types may also go from keycloak/ to the use case whose port it fills. */
const allowed: Readonly<Record<Layer, readonly Layer[]>> = {
  // A stand-in for the server must not share the code that it tests.
  testing: ["testing", "errors"],
  adapters: ["adapters", "bearer", "errors"],
  gate: ["gate", "use case", "keycloak", "user", "bearer", "errors"],
  "use case": ["use case", "user", "bearer", "errors"],
  keycloak: ["keycloak", "bearer", "errors"],
  user: ["user", "errors"],
  bearer: ["bearer", "errors"],
  errors: ["errors"],
}

describe("the source", () => {
  it.each(files)("%s imports at run time only from the layers below it", file => {
    const wrong = importsOf(file)
      .filter(({ from, typeOnly }) => from.startsWith(".") && !typeOnly)
      .map(({ from }) => target(file, from))
      .filter(imported => !allowed[layerOf(file)].includes(layerOf(imported)))
    expect(wrong).toEqual([])
  })

  it.each(files)("%s imports not even a type from a layer above it", file => {
    const order = (layer: Layer) => layers.indexOf(layer)
    const portTypes = layerOf(file) === "keycloak" ? ["use case"] : []
    const wrong = importsOf(file)
      .filter(({ from }) => from.startsWith("."))
      .map(({ from }) => target(file, from))
      .filter(imported => order(layerOf(imported)) < order(layerOf(file)) && !portTypes.includes(layerOf(imported)))
    expect(wrong).toEqual([])
  })

  it("lets only the two halves of the gate reach into keycloak/", () => {
    const reaching = files.filter(
      file =>
        layerOf(file) !== "keycloak" && importsOf(file).some(({ from }) => target(file, from).startsWith("keycloak/")),
    )
    expect(reaching.sort()).toEqual(["gate-accounts.ts", "gate.ts"])
  })

  it("knows the admin client in one file", () => {
    const vendor = (file: string) => importsOf(file).some(({ from }) => from.startsWith("@keycloak/"))
    expect(files.filter(vendor)).toEqual(["keycloak/admin-client.ts"])
  })

  it.each([
    ["jose", ["keycloak/signature.ts"]],
    ["openid-client", ["keycloak/token-client.ts"]],
    ["fastify-plugin", ["adapters/fastify.ts"]],
  ])("imports %s in one file", (vendor, importers) => {
    expect(files.filter(file => importsOf(file).some(({ from }) => from === vendor))).toEqual(importers)
  })

  it("imports no more than types of the admin client: nothing could limit the answers that it reads", () => {
    const ofClient = importsOf("keycloak/admin-client.ts").filter(({ from }) => from.startsWith("@keycloak/"))
    expect(ofClient.filter(({ typeOnly }) => !typeOnly)).toEqual([])
  })

  it("loads what manages accounts with the first call of it: most processes only verify", () => {
    expect(importsOf("gate.ts").filter(({ from }) => from === "./gate-accounts.js")).toEqual([
      { from: "./gate-accounts.js", typeOnly: true },
      { from: "./gate-accounts.js", typeOnly: false },
    ])
    expect(readFileSync(join(root, "gate.ts"), "utf8")).toContain('import("./gate-accounts.js")')
  })

  it("imports frameworks for their types only", () => {
    const vendors = ["express", "fastify", "koa"]
    const atRunTime = files.filter(file =>
      importsOf(file).some(({ from, typeOnly }) => vendors.includes(from) && !typeOnly),
    )
    expect(atRunTime).toEqual([])
  })

  describe("takes the time", () => {
    /** The test realm goes by the clock of its own process, as Keycloak does. */
    const lines = files
      .filter(file => layerOf(file) !== "testing")
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
