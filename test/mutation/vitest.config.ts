import { join } from "node:path"
import type { ViteUserConfig } from "vitest/config"

/** The fast tests of the verifier alone: Stryker runs those that meet a mutant, for each of some thousand mutants. */
const config: ViteUserConfig = {
  root: join(import.meta.dirname, "../.."),
  plugins: [{ name: "stryker-test-names", configureVitest: ({ project }) => translateTestNames(project.config) }],
  test: {
    include: [
      "test/refusal.test.ts",
      "test/verify/*.test.ts",
      "test/verify/token/{token-verifier,key-set,signature,signature-alone}.test.ts",
      "test/watch/clock-doubt.test.ts",
      "test/keycloak/{compact-token,duplicate-members}.test.ts",
    ],
    testTimeout: 60_000, // Stryker has limits of its own
  },
}
export default config

/**
 * Stryker 9 asks for tests by names joined with a blank, Vitest 5 joins them with " > ". Without this no test would run,
 * and every mutant would survive.
 */
function translateTestNames(config: { testNamePattern?: RegExp | undefined }): void {
  let pattern: RegExp | undefined
  Object.defineProperty(config, "testNamePattern", {
    get: () => pattern,
    set(given: RegExp | undefined) {
      pattern = given && new RegExp(given.source.replaceAll(" ", "(?: > | )"), given.flags)
    },
    enumerable: true,
  })
}
