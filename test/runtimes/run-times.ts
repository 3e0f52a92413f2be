import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { build } from "esbuild"
import type { GateOptions } from "../../src/index.js"
import { commonJsProgram, commonJsTest, esmProgram, esmTest, typeScriptTest, wellTold, worker } from "./story.ts"

const modules = join(import.meta.dirname, "../../node_modules")

export interface RunTime {
  readonly name: string
  /** What the package is to it. */
  readonly modules: "ES modules" | "CommonJS"
  /** How it is asked for its version. */
  readonly version: readonly [command: string, ...args: string[]]
  /** Runs the story in a folder of its own, and throws what it printed when that was not well told. */
  readonly run: (folder: string, realm: GateOptions<never>) => Promise<void>
}

const bin = (name: string) => join(modules, ".bin", name)
const script = (path: string) => join(modules, path)
const node = process.execPath
const jest = script("jest/bin/jest.js")
// Limits for what never comes. What a busy machine makes slow must not fail.
const patient = "--testTimeout=60000"
const vitest = script("vitest/vitest.mjs")

/** A Node of any version; this process's is the first of them. */
export function onNode(command: string, name = "Node"): readonly RunTime[] {
  const version = [command, "--version"] as const
  return [
    { name, modules: "ES modules", version, run: printing(esmProgram, "story.mjs", [command]) },
    { name, modules: "CommonJS", version, run: printing(commonJsProgram, "story.cjs", [command]) },
  ]
}

export const runTimes: readonly RunTime[] = [
  ...onNode(node),
  {
    name: "Bun",
    modules: "ES modules",
    version: [bin("bun"), "--version"],
    run: printing(esmProgram, "story.mjs", [bin("bun"), "run"]),
  },
  {
    name: "Bun",
    modules: "CommonJS",
    version: [bin("bun"), "--version"],
    run: printing(commonJsProgram, "story.cjs", [bin("bun"), "run"]),
  },
  {
    name: "Deno",
    modules: "ES modules",
    version: [bin("deno"), "--version"],
    run: printing(esmProgram, "story.mjs", [bin("deno"), "run", "--no-remote", "--no-lock", "--allow-all"]),
  },
  {
    name: "Deno",
    modules: "CommonJS",
    version: [bin("deno"), "--version"],
    run: printing(commonJsProgram, "story.cjs", [bin("deno"), "run", "--no-remote", "--no-lock", "--allow-all"]),
  },
  { name: "workerd, `nodejs_compat`", modules: "ES modules", version: [bin("workerd"), "--version"], run: inWorker },
  {
    name: "Jest, no flag",
    modules: "CommonJS",
    version: [node, jest, "--version"],
    run: testing({ "story.test.js": commonJsTest }, "commonjs", [jest, "--runInBand", patient]),
  },
  {
    name: "Jest, `--experimental-vm-modules`",
    modules: "ES modules",
    version: [node, jest, "--version"],
    run: testing({ "story.test.js": esmTest("") }, "module", [
      "--experimental-vm-modules",
      jest,
      "--runInBand",
      patient,
    ]),
  },
  {
    name: "ts-jest, no flag",
    modules: "CommonJS",
    version: [node, "-p", `require(${JSON.stringify(script("ts-jest/package.json"))}).version`],
    run: testing(
      {
        "story.test.ts": typeScriptTest,
        "jest.config.json": JSON.stringify({ preset: "ts-jest" }),
        "tsconfig.json": JSON.stringify({
          compilerOptions: {
            module: "commonjs",
            moduleResolution: "node10",
            ignoreDeprecations: "6.0",
            target: "es2022",
            esModuleInterop: true,
            skipLibCheck: true,
            strict: true,
            types: ["node", "jest-globals"],
          },
        }),
        "jest-globals.d.ts": `import type { expect as e, it as i } from "@jest/globals"
          declare global { const expect: typeof e; const it: typeof i }`,
      },
      "commonjs",
      [jest, "--runInBand", patient],
    ),
  },
  {
    name: "Vitest",
    modules: "ES modules",
    version: [node, vitest, "--version"],
    run: testing({ "story.test.js": esmTest('import { it } from "vitest"') }, "module", [vitest, "run", patient]),
  },
  {
    name: "node:test",
    modules: "ES modules",
    version: [node, "--version"],
    run: testing({ "story.test.js": esmTest('import { it } from "node:test"') }, "module", ["--test"]),
  },
]

function printing(program: string, file: string, command: readonly string[]): RunTime["run"] {
  return async (folder, realm) => {
    await writeAll(folder, { [file]: program, "package.json": JSON.stringify({ private: true }) })
    const output = await run(folder, [...command, file], { GATE_OPTIONS: JSON.stringify(realm) })
    assertTold(output)
  }
}

function testing(files: Readonly<Record<string, string>>, type: string, args: readonly string[]): RunTime["run"] {
  return async folder => {
    await writeAll(folder, { "package.json": JSON.stringify({ private: true, type }), ...files })
    const output = await run(folder, [node, ...args], {})
    if (!/1 passed|pass 1$/m.test(output)) throw new Error(`No test ran: ${output}`)
  }
}

/** A bundle as the deployment tools make it, in the run-time that Cloudflare runs. */
async function inWorker(folder: string, realm: GateOptions<never>): Promise<void> {
  await writeAll(folder, { "worker.js": worker, "worker.capnp": workerConfig(realm) })
  await build({
    absWorkingDir: folder,
    entryPoints: ["worker.js"],
    outfile: join(folder, "bundle.js"),
    bundle: true,
    format: "esm",
    external: ["node:*"],
    conditions: ["workerd", "worker"],
    logLevel: "silent",
  })
  const child = spawn(bin("workerd"), ["serve", "worker.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  })
  const output = collect(child)
  try {
    const control = createInterface({ input: child.stdio[3] as NodeJS.ReadableStream })
    const [line] = await Promise.race([once(control, "line"), once(child, "close").then(() => [null])])
    if (line === null) throw new Error(`workerd ended: ${output()}`)
    const answer = await fetch(`http://127.0.0.1:${JSON.parse(line).port}/`)
    assertTold((await answer.text()) + output())
  } finally {
    child.kill()
  }
}

function workerConfig(realm: GateOptions<never>): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .story),
    (name = "internet", network = (allow = ["private", "public", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const story :Workerd.Worker = (
  modules = [(name = "bundle.js", esModule = embed "bundle.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [(name = "GATE_OPTIONS", json = ${JSON.stringify(JSON.stringify(realm))})],
);
`
}

function assertTold(output: string): void {
  const wanted = JSON.stringify(wellTold)
  if (output.trim() !== wanted) throw new Error(`${output}\nis not\n${wanted}`)
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text)
}

/** What a program printed, of both kinds: a warning is nothing that may be overlooked. */
export async function run(
  folder: string,
  [command = "", ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawn(command, args, { cwd: folder, env: { ...ownEnvironment(), ...env }, timeout: 120_000 })
  const output = collect(child)
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code ?? "a signal"}: ${output()}`)
  return output()
}

export async function versionOf(command: RunTime["version"]): Promise<string> {
  return /\d+[.-]\d+[.-]\d+/.exec(await run(modules, command, {}))?.[0] ?? "unknown"
}

/** Vitest's own workers are told by variables that the children must not take for theirs. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|MODE$|TEST$|DEV$|PROD$)/.test(name))
  return { ...Object.fromEntries(kept), CI: "true", DENO_NO_UPDATE_CHECK: "1" }
}

export function collect(child: ChildProcess): () => string {
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", chunk => (output += chunk))
  return () => output
}
