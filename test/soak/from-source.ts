import { registerHooks } from "node:module"

// The source names its files as the build will: `./gate.js` is gate.ts here, so that each line is where it was written.
registerHooks({
  resolve(specifier, context, next) {
    const isOurs = specifier.startsWith(".") && context.parentURL?.endsWith(".ts") === true
    return next(isOurs ? specifier.replace(/\.js$/, ".ts") : specifier, context)
  },
})
