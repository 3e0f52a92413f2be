import { STATUS_CODES } from "node:http"
import { isDeepStrictEqual } from "node:util"
import pc from "picocolors"

/** Tells a story step by step; nothing secret gets past it. */
export interface Narrator {
  /** A line of its own, between steps. */
  say(text: string): void
  /** Aligned lines, such as what runs where. */
  list(entries: Readonly<Record<string, string>>): void
  chapter(title: string): void
  /** Tells one step when it is over; what it throws goes on, after the step was told as far as it went. */
  step(title: string, act: (step: Step) => Promise<void>): Promise<void>
  readonly steps: number
}

export interface Step {
  request(request: ToldRequest): void
  answer(answer: ToldAnswer): void
  /** One more line about it, headed by where it is seen. */
  tell(where: string, what: string): void
  /** Ends the story unless it is as told. */
  expect(what: string, actual: unknown, expected: unknown): void
}

interface ToldRequest {
  readonly method: string
  readonly path: string
  /** How the story calls the token that goes along. */
  readonly token?: string | undefined
  readonly body?: unknown
}

interface ToldAnswer {
  readonly status: number
  readonly milliseconds: number
  readonly challenge: string | null
  readonly body: unknown
}

const width = 100
const margin = " ".repeat(7)
const labelWidth = 10
const textWidth = width - margin.length - labelWidth

export function createNarrator(print: (line: string) => void, secrets: readonly string[]): Narrator {
  const withoutSecrets = (text: string) =>
    secrets.reduce((safe, secret) => safe.replaceAll(secret, "••••"), text.replace(/eyJ[\w-]+(\.[\w-]*)*/g, "<token>"))
  const say = (text: string) => print(withoutSecrets(text))
  let steps = 0

  /** The lines of one thing, its label before the first of them. */
  function put(
    lines: string[],
    label: string,
    texts: readonly string[],
    paint: (text: string) => string = text => text,
  ) {
    texts.forEach((text, index) => {
      lines.push(`${margin}${pc.dim((index === 0 ? label : "").padEnd(labelWidth))}${paint(text)}`)
    })
  }

  return {
    say,
    list(entries) {
      for (const [label, text] of Object.entries(entries)) say(`${pc.dim(label.padEnd(13))}${text}`)
      say("")
    },
    chapter(title) {
      say(`${pc.bold(title)}\n${pc.dim("─".repeat(width))}`)
    },
    async step(title, act) {
      const number = ++steps
      const lines: string[] = []
      const finish = (mark: string) => {
        say(`${String(number).padStart(4)} ${mark} ${title}`)
        for (const line of lines) say(line)
        say("")
      }
      const step: Step = {
        request({ method, path, token, body }) {
          const withToken = token === undefined ? "" : pc.dim(`  with ${token}`)
          put(lines, "request", [`${pc.cyan(`${method} ${path}`)}${withToken}`])
          if (body !== undefined) put(lines, "", jsonLines(body))
        },
        answer({ status, milliseconds, challenge, body }) {
          const paint = status < 400 ? pc.green : pc.yellow
          put(lines, "answer", [`${paint(`${status} ${STATUS_CODES[status]}`)}${pc.dim(`  ${milliseconds} ms`)}`])
          if (challenge !== null) put(lines, "", wordLines(`WWW-Authenticate: ${challenge}`), pc.dim)
          if (body !== null) put(lines, "", jsonLines(body))
        },
        tell(where, what) {
          put(lines, where, wordLines(withoutSecrets(what)))
        },
        expect(what, actual, expected) {
          if (isDeepStrictEqual(actual, expected)) return
          throw new Error(`${what}: expected ${inline(expected)}, got ${inline(actual)}`)
        },
      }
      try {
        await act(step)
      } catch (error) {
        put(lines, "otherwise", wordLines(withoutSecrets((error as Error).message)), pc.red)
        finish(pc.red("✗"))
        throw error
      }
      finish(pc.green("✓"))
    },
    get steps() {
      return steps
    },
  }
}

const hidden: Readonly<Record<string, string>> = {
  password: "••••",
  access_token: "<access token>",
  refresh_token: "<refresh token>",
  id_token: "<ID token>",
}

/** JSON on one line, as people write it. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? String(value)
  const members = membersOf(value)
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`
}

/** JSON on as few lines as fit, broken after commas. */
function jsonLines(value: unknown): string[] {
  const parts = inline(value).match(/(?:"(?:\\.|[^"\\])*"|[^,"])+,?/g) ?? []
  const lines = filled(
    parts.map(part => part.trim()),
    textWidth - 2,
  )
  return lines.map((line, index) => (index === 0 ? line : `  ${line}`))
}

function membersOf(value: object): string[] {
  return Object.entries(value).map(([name, member]) => {
    const shown = hidden[name] === undefined || member === "" ? member : hidden[name]
    return `${JSON.stringify(name)}: ${inline(shown)}`
  })
}

function wordLines(text: string): string[] {
  return filled(text.split(/\s+/), textWidth)
}

/** Parts side by side, in lines that are no longer than that unless a part is. */
function filled(parts: readonly string[], most: number): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + part.length > most) lines.push(part)
    else lines[lines.length - 1] = `${last} ${part}`
  }
  return lines
}
