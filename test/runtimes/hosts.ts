import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { build } from "esbuild"
import type { GateOptions } from "../../src/index.js"
import type { Listening } from "../adapters/listen.js"
import { collect, ownEnvironment } from "./run-times.ts"

const root = join(import.meta.dirname, "../..")
const bin = (name: string) => join(root, "node_modules/.bin", name)

/** A host of the web's `Request`: it serves what a module exports as `makeFetch(gateOptions)`. */
export interface Host {
  readonly name: "Node" | "Bun" | "Deno" | "workerd"
  readonly serve: (folder: string, source: string, realm: GateOptions<never>) => Promise<Listening>
}

const listening = (url: string) => `console.log(JSON.stringify(${url}))`
const programs = {
  Node: {
    command: [process.execPath],
    main: `import { createServer } from "node:http"
      import { getRequestListener } from "@hono/node-server"
      const server = createServer(getRequestListener(fetch))
      server.listen(0, "127.0.0.1", () => ${listening('"http://127.0.0.1:" + server.address().port')})`,
  },
  Bun: {
    command: [bin("bun"), "run"],
    main: `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch })
      ${listening('"http://127.0.0.1:" + server.port')}`,
  },
  Deno: {
    command: [bin("deno"), "run", "--no-remote", "--no-lock", "--allow-all"],
    main: `const onListen = ({ port }) => ${listening('"http://127.0.0.1:" + port')}
      Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, request => fetch(request))`,
  },
} as const

const asPrograms = Object.entries(programs) as [keyof typeof programs, (typeof programs)["Node"]][]
export const hosts: readonly Host[] = [
  ...asPrograms.map(
    ([name, { command, main }]): Host => ({
      name,
      async serve(folder, source, realm) {
        const program = `${source}\nconst fetch = makeFetch(JSON.parse(process.env.GATE_OPTIONS))\n${main}`
        await bundle(folder, `import process from "node:process"\n${program}`, { packages: "external" })
        const env = { ...ownEnvironment(), GATE_OPTIONS: JSON.stringify(realm) }
        const child = spawn(command[0], [...command.slice(1), "bundle.mjs"], { cwd: folder, env })
        return { url: JSON.parse(await firstLine(child, child.stdout)), close: () => ended(child) }
      },
    }),
  ),
  { name: "workerd", serve: serveWorker },
]

/** A bundle as the deployment tools make it, in the run-time that Cloudflare runs. */
async function serveWorker(folder: string, source: string, realm: GateOptions<never>): Promise<Listening> {
  const worker = `${source}
    let fetch
    export default { fetch: (request, env, ctx) => (fetch ??= makeFetch(env.GATE_OPTIONS))(request, env, ctx) }`
  await bundle(folder, worker, { external: ["node:*", "cloudflare:*"], conditions: ["workerd", "worker"] })
  await writeFile(join(folder, "worker.capnp"), workerConfig(realm))
  const child = spawn(bin("workerd"), ["serve", "worker.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  })
  const { port } = JSON.parse(await firstLine(child, child.stdio[3] as NodeJS.ReadableStream))
  return { url: `http://127.0.0.1:${port}`, close: () => ended(child) }
}

/** @throws what it printed, when it ended instead */
async function firstLine(child: ChildProcess, stream: NodeJS.ReadableStream): Promise<string> {
  const output = collect(child)
  const [line] = await Promise.race([once(createInterface(stream), "line"), once(child, "close").then(() => [null])])
  if (typeof line !== "string") throw new Error(`It ended: ${output()}`)
  return line
}

function workerConfig(realm: GateOptions<never>): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .door),
    (name = "internet", network = (allow = ["private", "public", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const door :Workerd.Worker = (
  modules = [(name = "bundle.mjs", esModule = embed "bundle.mjs")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [(name = "GATE_OPTIONS", json = ${JSON.stringify(JSON.stringify(realm))})],
);
`
}

async function bundle(folder: string, contents: string, more: Parameters<typeof build>[0]): Promise<void> {
  await mkdir(folder, { recursive: true })
  // Deno looks for packages beside one.
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }))
  await build({
    absWorkingDir: folder,
    stdin: { contents, resolveDir: folder, loader: "js" },
    outfile: join(folder, "bundle.mjs"),
    bundle: true,
    format: "esm",
    logLevel: "silent",
    // The examples lie elsewhere, and are to find the package where it is installed.
    nodePaths: [join(folder, "../node_modules")],
    ...more,
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exit = once(child, "exit")
  child.kill("SIGKILL")
  await exit
}
