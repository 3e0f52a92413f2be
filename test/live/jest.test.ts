import { join } from "node:path"
import { expect, it } from "vitest"
import { installJest } from "../examples/installed-example.ts"
import { runCommand } from "./keycloak/run-command.ts"

it("the example for Jest passes, the store contract with it", { timeout: 500_000 }, async () => {
  const folder = await installJest()
  const jest = join(folder, "node_modules/jest/bin/jest.js")
  const args = [jest, "--rootDir", folder, "--runTestsByPath", join(folder, "our-store.test.js")]
  const { code, output } = await runCommand(process.execPath, args, 300)
  expect([code, output]).toEqual([0, expect.stringMatching(/^Tests: +\d\d passed, \d\d total$/m)])
})
