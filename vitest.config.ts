import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const source = join(import.meta.dirname, "src")

// They need a database, the built package or minutes, or wait for time-outs; `npm run test:fast` goes without them.
const slow = [
  "test/examples/**",
  "test/faults/{never-closed,outages}.test.ts",
  "test/fuzz/**",
  "test/keycloak/recheck-outages.test.ts",
  "test/testing/user-store-contract.test.ts",
  "test/types/**",
]

export default defineConfig(({ mode }) => ({
  resolve: {
    alias: [
      { find: /^keycloak-gate$/, replacement: join(source, "index.ts") },
      { find: /^keycloak-gate\/testing$/, replacement: join(source, "testing/index.ts") },
      { find: /^keycloak-gate\/(express|fastify|koa)$/, replacement: join(source, "adapters/$1.ts") },
    ],
  },
  test: {
    // Threads begin sooner than processes, and one more than there are cores works while others wait for an answer.
    ...(mode === "fast" && { pool: "threads", maxWorkers: availableParallelism() + 1 }),
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/testing/vitest.test.ts"],
          exclude: ["test/live/**", "test/faults/live/**", ...(mode === "fast" ? slow : [])],
          typecheck: { enabled: mode !== "fast", include: ["test/**/*.test-d.ts"] },
        },
      },
      {
        extends: true,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts", "test/faults/live/**/*.test.ts"],
          globalSetup: "test/global-setup.ts",
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
}))
