import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, it } from "vitest"
import { openShop } from "../support/shop.ts"
import { installPacked } from "./packed.ts"
import { runTimes } from "./run-times.ts"

let folder: string
let realm: Awaited<ReturnType<typeof openShop>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keycloak-gate-run-times-"))
  await installPacked(folder)
  realm = await openShop()
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

describe("the packed package", () => {
  it.concurrent.for(runTimes)(
    "registers, logs in, verifies and refuses on $name, as $modules",
    { timeout: 120_000 },
    async ({ name, modules, run }) => run(join(folder, `${name}-${modules}`.replace(/\W+/g, "-")), realm.gateOptions),
  )
})
