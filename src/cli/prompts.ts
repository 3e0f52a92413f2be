import { confirm, isCancel, password, text } from "@clack/prompts"
import type { Prompts } from "./terminal.js"

// What a command prints may go into a file.
const output = process.stderr

export const prompts: Prompts = {
  async text(message, initialValue, problemOf) {
    const answer = await text({ message, initialValue, output, validate: (given = "") => problemOf(given) })
    return isCancel(answer) ? null : answer
  },
  async secret(message) {
    const answer = await password({ message, output })
    return isCancel(answer) ? null : answer
  },
  async confirm(message) {
    const answer = await confirm({ message, output })
    return isCancel(answer) ? null : answer
  },
}
