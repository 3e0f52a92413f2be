import type { Readable, Writable } from "node:stream"
import { confirm, isCancel, password, text } from "@clack/prompts"
import type { Prompts } from "./terminal.js"

/** Asks somebody at a terminal. */
export function createPrompts(terminal: { readonly input: Readable; readonly output: Writable }): Prompts {
  return {
    async text(message, initialValue, problemOf) {
      const validate = (given = "") => problemOf(given)
      const answer = await text({ ...terminal, message, initialValue, validate })
      return isCancel(answer) ? null : answer
    },
    async secret(message) {
      const answer = await password({ ...terminal, message })
      return isCancel(answer) ? null : answer
    },
    async confirm(message) {
      const answer = await confirm({ ...terminal, message })
      return isCancel(answer) ? null : answer
    },
  }
}
