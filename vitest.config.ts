import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/longest-first.ts"

const source = join(import.meta.dirname, "src")

// They need a database, the built package or many seconds, or wait for time-outs; `npm run test:fast` goes without them.
const slow = [
  "test/cli/store.test.ts",
  "test/docs/programs.test.ts",
  "test/examples/**",
  "test/faults/{clocks,crashes,half-done-verbs,key-flood,lost-registrations,never-closed,outages,passwords,skewed-clock,verb-limits}.test.ts",
  "test/faults/secrets-in-answers.test.ts",
  "test/fuzz/**",
  "test/migrate/{express-oauth2-jwt-bearer,keycloak-connect}.test.ts",
  "test/redis/**",
  "test/nestjs/**",
  "test/runtimes/**",
  "test/verify/session/recheck-outages.test.ts",
  "test/security/{adapters,foreign-text}.test.ts",
  "test/testing/user-store-contract.test.ts",
  "test/types/**",
]

// They listen to nothing and leave nothing behind, so that one worker can take them all, which `npm run test:fast` uses.
const pure = [
  "test/*.test.ts",
  "test/accounts/{create-account,registration-rules,session-ending,turns,unfinished}.test.ts",
  "test/{options,users,watch}/**/*.test.ts",
  "test/migrate/{options-from-keycloak-json,requirements-from}.test.ts",
  "test/verify/*.test.ts",
  "test/verify/token/{key-set,key-set-states,signature,token-verifier}.test.ts",
  "test/verify/session/{asked-once,recheck}.test.ts",
  "test/adapters/{guard,handlers}.test.ts",
  "test/keycloak/{compact-token,deadline,duplicate-members,keycloak-clock,places,quoted,reachability,service-token,share,words}.test.ts",
]

export default defineConfig(({ mode }) => ({
  resolve: {
    alias: [
      { find: /^keycloak-gate$/, replacement: join(source, "index.ts") },
      { find: /^keycloak-gate\/migrate$/, replacement: join(source, "migrate/index.ts") },
      { find: /^keycloak-gate\/opentelemetry$/, replacement: join(source, "telemetry/opentelemetry.ts") },
      { find: /^keycloak-gate\/testing$/, replacement: join(source, "testing/index.ts") },
      { find: /^keycloak-gate\/(express|fastify|hono|koa|nestjs|web)$/, replacement: join(source, "adapters/$1.ts") },
      { find: /^keycloak-gate\/redis$/, replacement: join(source, "redis/redis-shared.ts") },
    ],
  },
  test: {
    // Most of the slow files wait most of the time: for a server, another process, or the end of a time limit.
    maxWorkers: availableParallelism() + (mode === "fast" ? 1 : 2),
    // Threads begin sooner than processes.
    ...(mode === "fast" ? { pool: "threads" } : { sequence: { sequencer: LongestFirst } }),
    // What runs at once within a file mostly waits for the end of a time limit.
    maxConcurrency: 10,
    // Limits for what never comes. What a busy machine makes slow must not fail.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/testing/vitest.test.ts"],
          exclude: [
            "test/live/**",
            "test/faults/live/**",
            "test/browser/**",
            ...(mode === "fast" ? [...slow, ...pure] : []),
          ],
          // Their own programs, and not the whole repository's, which `npm run check` compiles.
          typecheck: {
            enabled: mode !== "fast",
            include: ["test/types/*.test-d.ts"],
            tsconfig: "test/types/tsconfig.json",
          },
        },
      },
      ...(mode === "fast" ? [{ extends: true, test: { name: "pure", include: pure, isolate: false } } as const] : []),
      ...(mode === "browser"
        ? [
            {
              extends: true,
              test: { name: "browser", include: ["test/browser/**/*.test.ts"], hookTimeout: 400_000 },
            } as const,
          ]
        : []),
      {
        extends: true,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts", "test/faults/live/**/*.test.ts"],
          globalSetup: "test/global-setup.ts",
          hookTimeout: 400_000,
        },
      },
    ],
  },
}))
