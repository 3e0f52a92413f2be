import { execFile } from "node:child_process"
import { join } from "node:path"
import { expect, it } from "vitest"
import { memoryUserStore } from "../../src/index.js"
import { userStoreContract } from "../../src/testing/index.js"

const root = join(import.meta.dirname, "../..")
const cases = userStoreContract(memoryUserStore, { unownedRow: (store, names) => store.addUnlinked(names) })

it("the example for Node's own test runner passes, the store contract with it", async () => {
  const [output, errors] = await new Promise<[string, string]>(resolve => {
    // Vitest's own workers are told by NODE_TEST_CONTEXT's like; the child must not take itself for one.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined }
    execFile(
      process.execPath,
      ["--test", "--test-reporter=tap", "examples/testing/node.test.ts"],
      { cwd: root, env },
      (_, stdout, stderr) => resolve([stdout, stderr]),
    )
  })
  expect(output).toContain("\n# fail 0\n")
  expect(output + errors).not.toContain("KeycloakGateWarning")
  expect(output).toContain(`\n# pass ${5 + cases.length}\n`)
})
