import { execFile } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { shopRealm } from "./realms.ts"

const demo = join(import.meta.dirname, "../../examples/demo/demo.ts")

function run(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [demo, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })
}

describe("the demo", () => {
  it("tells the whole story on the real server, and ends with 0", { timeout: 240_000 }, async () => {
    const { code, output } = await run()
    expect(code, output.slice(-2000)).toBe(0)
    expect(output).toMatch(/\d+ steps, .*all as told/)
    expect(output).not.toMatch(/eyJ[\w-]{8,}\./)
    for (const secret of ["Analytical-1843", "Edith-2026!", shopRealm().secret]) expect(output).not.toContain(secret)
  })

  it("names the frameworks that there are for one that there is not", async () => {
    const { code, output } = await run("--framework", "hapi")
    expect([code, output]).toEqual([2, "usage: npm run demo -- --framework express|fastify|koa\n"])
  })
})
