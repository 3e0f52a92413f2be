import { join } from "node:path"
import type { ViteUserConfig } from "vitest/config"

/** The fast tests of the verifier alone: Stryker runs them for each of a thousand mutants. */
const config: ViteUserConfig = {
  root: join(import.meta.dirname, "../.."),
  test: {
    include: [
      "test/bearer/**/*.test.ts",
      "test/verify-bearer.test.ts",
      "test/keycloak/{token-verifier,compact-token,duplicate-members,key-set,signature}.test.ts",
    ],
    testTimeout: 60_000, // Stryker has limits of its own
  },
}
export default config
