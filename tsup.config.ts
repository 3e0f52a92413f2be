import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { defineConfig, type Options } from "tsup"

const both: Options = {
  entry: {
    index: "src/index.ts",
    express: "src/adapters/express.ts",
    fastify: "src/adapters/fastify.ts",
    koa: "src/adapters/koa.ts",
    migrate: "src/migrate/index.ts",
    hono: "src/adapters/hono.ts",
    nestjs: "src/adapters/nestjs.ts",
    web: "src/adapters/web.ts",
    redis: "src/redis/redis-shared.ts",
    opentelemetry: "src/telemetry/opentelemetry.ts",
    testing: "src/testing/index.ts",
  },
  splitting: true,
  target: "node22",
  // Bundlers for Workers know Node's modules by this prefix.
  removeNodeProtocol: false,
  // Readable: a stack trace names functions and lines that mean something.
  minify: false,
}

const modules: Options = { ...both, format: "esm", treeshake: true }

// Jest can neither require ES modules nor import() anything without a flag, so this build has none of both:
// the dependencies that are ES modules alone are bundled, and what is loaded late is required late.
const commonJs: Options = {
  ...both,
  format: "cjs",
  treeshake: true,
  plugins: [{ name: "late-require", renderChunk: code => ({ code: requiringLate(code) }) }],
  noExternal: ["jose", "openid-client", "quick-lru"],
  esbuildPlugins: [licensesIn("dist/licenses.txt")],
}

const types: Options = { ...both, format: ["esm", "cjs"], dts: { only: true } }

/** `npx keycloak-gate`: a program in one file, which nobody imports. */
const program: Options = {
  ...both,
  entry: { cli: "src/cli/main.ts" },
  format: "esm",
  splitting: false,
  // It holds the questions of `init`, so that nobody has to install them.
  esbuildPlugins: [licensesIn("dist/cli-licenses.txt")],
}

export default defineConfig(({ clean, dts }) => {
  // The builds run side by side, so none of them may clean.
  if (clean !== false) rmSync("dist", { recursive: true, force: true })
  // A build that is done first writes its licences there.
  mkdirSync("dist", { recursive: true })
  return [modules, commonJs, program, ...(dts === false ? [] : [types])]
})

function requiringLate(code: string): string {
  return code.replace(/\bimport\(("[^"]+")\)/g, "Promise.resolve().then(() => require($1))")
}

type Plugin = NonNullable<Options["esbuildPlugins"]>[number]

/** Writes the licences of the packages that a build holds. */
function licensesIn(target: string): Plugin {
  return {
    name: "licenses",
    setup(build) {
      build.initialOptions.metafile = true
      build.onEnd(({ metafile }) => {
        const inputs = Object.keys(metafile?.inputs ?? {})
        const folders = new Set(inputs.flatMap(input => input.match(/.*node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []))
        const texts = [...folders].sort().map(folder => {
          const [file] = globSync(`${folder}/{LICENSE,license}*`)
          if (file === undefined) throw new Error(`${folder} has no licence`)
          return `${folder.replace(/.*node_modules\//, "")}\n\n${readFileSync(file, "utf8").trim()}\n`
        })
        mkdirSync("dist", { recursive: true }) // tsup writes later
        writeFileSync(target, texts.join("\n---\n\n"))
      })
    },
  }
}
