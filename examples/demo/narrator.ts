import { STATUS_CODES } from "node:http"
import pc from "picocolors"

/** One answer of the application. */
export interface Answer {
  readonly status: number
  readonly challenge: string | null
  readonly body: Record<string, unknown> | null
}

/** Tells a story line by line, and keeps count of what went otherwise than told. */
export interface Narrator {
  chapter(title: string): void
  request(method: string, path: string, sent: { body?: unknown; token?: string | undefined }): void
  answer(answer: Answer): void
  note(where: string, what: string): void
  /** Says whether a fact held that the story promises. */
  check(isTrue: boolean, promise: string): void
  /** Ends the story; returns the process's exit code. */
  end(seconds: number): number
}

const label = (text: string) => `   ${text.padEnd(10)}`
// Tokens, secrets and passwords are never printed; subjects and times are cut to a readable length.
const hidden = new Set(["password", "access_token", "refresh_token", "id_token"])

export function createNarrator(print: (line: string) => void = console.log): Narrator {
  let steps = 0
  let failures = 0
  return {
    chapter(title) {
      print(`\n${pc.bold(`${String(++steps).padStart(2)} ${title}`)}`)
    },
    request(method, path, { body, token }) {
      print(
        `${pc.dim(label("request"))}${pc.cyan(`${method} ${path}`)}${token === undefined ? "" : pc.dim(`  with ${token}`)}`,
      )
      if (body !== undefined) print(`${label("")}${readable(body)}`)
    },
    answer({ status, challenge, body }) {
      const colour = status < 400 ? pc.green : pc.yellow
      print(`${pc.dim(label("answer"))}${colour(`${status} ${STATUS_CODES[status]}`)}`)
      if (challenge !== null) print(`${label("")}${pc.dim(`WWW-Authenticate: ${challenge}`)}`)
      if (body !== null) print(`${label("")}${readable(body)}`)
    },
    note(where, what) {
      print(`${pc.dim(label(where))}${what}`)
    },
    check(isTrue, promise) {
      if (isTrue) return
      failures++
      print(pc.red(`   ✗ otherwise than told: ${promise}`))
    },
    end(seconds) {
      const outcome = failures === 0 ? pc.green("all as told") : pc.red(`${failures} otherwise than told`)
      print(`\n${steps} steps, ${outcome}, ${seconds.toFixed(1)} s.`)
      return failures === 0 ? 0 : 1
    },
  }
}

function readable(value: unknown): string {
  const text = JSON.stringify(value, (name, member) => {
    if (hidden.has(name)) return "•••"
    return typeof member === "string" && /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(member) ? `${member.slice(0, 8)}…` : member
  })
  return text.length > 240 ? `${text.slice(0, 240)}…` : text
}
