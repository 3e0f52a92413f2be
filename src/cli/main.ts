#!/usr/bin/env node
import { styleText } from "node:util"
import { runCommand } from "./cli.js"
import { createPrompts } from "./prompts.js"

// Of `| head`, for one. What is half done goes on to its end all the same.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  print: text => void process.stdout.write(`${text}\n`),
  printError: text => void process.stderr.write(`${text}\n`),
  // Plain where the output is no terminal, or NO_COLOR asks for it.
  paint: (style, text) => styleText(style, text, { stream: process.stdout }),
  ...(process.stdin.isTTY &&
    process.stderr.isTTY && {
      // What a command prints may go into a file, so the questions go elsewhere.
      prompts: createPrompts({ input: process.stdin, output: process.stderr }),
    }),
})
