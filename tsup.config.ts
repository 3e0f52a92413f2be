import { defineConfig } from "tsup"

export default defineConfig({
  entry: {
    index: "src/index.ts",
    express: "src/adapters/express.ts",
    fastify: "src/adapters/fastify.ts",
    koa: "src/adapters/koa.ts",
    testing: "src/testing/index.ts",
  },
  format: ["esm", "cjs"],
  dts: true,
  sourcemap: true,
  splitting: true,
  treeshake: true,
  clean: true,
  target: "node22",
  // The source maps bring the names back (`node --enable-source-maps`).
  minify: true,
})
