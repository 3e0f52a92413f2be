/** What a command runs in. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
  /** The same text where nobody sees colours. */
  readonly paint: (style: Style, text: string) => string
  /** Absent: nobody is there to answer. */
  readonly prompts?: Prompts
}

/** Questions to whoever sits there; null is who gave up. */
export interface Prompts {
  /** `problemOf` says what is wrong with an answer. */
  readonly text: (
    question: string,
    suggestion: string,
    problemOf: (answer: string) => string | undefined,
  ) => Promise<string | null>
  /** Shows no letter of what is typed. */
  readonly secret: (question: string) => Promise<string | null>
  readonly confirm: (question: string) => Promise<boolean | null>
}

export type Style = "red" | "yellow" | "cyan" | "green" | "bold" | "dim"

export interface Command {
  /** Lines for `--help`. */
  readonly usage: string
  /** Resolves with the exit code. */
  readonly run: (args: readonly string[], terminal: Terminal) => Promise<number>
}

const columns = 80

/** Text in lines of 80 columns, indented; a word that is longer keeps a line to itself. */
export function wrapped(text: string, indent = ""): string {
  const lines: string[] = []
  let line = ""
  for (const word of text.split(/\s+/)) {
    const longer = line === "" ? indent + word : `${line} ${word}`
    if (line !== "" && longer.length > columns) {
      lines.push(line)
      line = indent + word
    } else line = longer
  }
  return [...lines, line].join("\n")
}
