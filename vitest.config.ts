import { join } from "node:path"
import { defineConfig } from "vitest/config"

const source = join(import.meta.dirname, "src")

export default defineConfig({
  resolve: {
    alias: [
      { find: /^keycloak-gate$/, replacement: join(source, "index.ts") },
      { find: /^keycloak-gate\/testing$/, replacement: join(source, "testing/index.ts") },
      { find: /^keycloak-gate\/(express|fastify|koa)$/, replacement: join(source, "adapters/$1.ts") },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/testing/vitest.test.ts"],
          exclude: ["test/live/**", "test/faults/live/**"],
          typecheck: { enabled: true, include: ["test/**/*.test-d.ts"] },
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
})
