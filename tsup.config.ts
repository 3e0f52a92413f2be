import { defineConfig } from "tsup"

const library = defineConfig({
  entry: {
    index: "src/index.ts",
    express: "src/adapters/express.ts",
    fastify: "src/adapters/fastify.ts",
    koa: "src/adapters/koa.ts",
    testing: "src/testing/index.ts",
  },
  format: ["esm", "cjs"],
  dts: true,
  splitting: true,
  treeshake: true,
  clean: ["!cli.js"],
  target: "node22",
  // Readable: a stack trace names functions and lines that mean something.
  minify: false,
})

/** `npx keycloak-gate`: a program in one file, which nobody imports. */
const program = defineConfig({
  entry: { cli: "src/cli/main.ts" },
  format: ["esm"],
  dts: false,
  splitting: false,
  target: "node22",
  minify: false,
})

export default [library, program]
