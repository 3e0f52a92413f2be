import { GateError } from "../../errors.js"

/** Collects all that this server can't stand in for, so that one refusal names everything. */
export interface Problems {
  /** A place that the caller wants left out, whatever is there. */
  readonly isIgnored: (path: string) => boolean
  /** Refuses what is at a place, unless the caller wants it left out. */
  readonly add: (path: string, sentence: string) => void
  /** @throws {GateError} `config_invalid` with one line for each place */
  readonly refuse: () => void
}

export function createProblems(ignore: readonly string[]): Problems {
  const found = new Map<string, string>()
  const ignored = ignore.map(path => path.replace(/^realm\./, ""))
  const isIgnored = (path: string) => ignored.some(one => path === one || path.endsWith(`.${one}`))
  return {
    isIgnored,
    add(path, sentence) {
      if (isIgnored(path)) return
      const before = found.get(path)
      found.set(path, before === undefined || before === sentence ? sentence : `${before}, and ${sentence}`)
    },
    refuse() {
      if (found.size === 0) return
      const lines = [...found].map(([path, sentence]) => `\`${path}\`: ${sentence}.`)
      const message = `startTestRealm can't stand in for this realm.\n${lines.join("\n")}\n`
      throw new GateError(
        "config_invalid",
        `${message}What your tests don't need can be left out: startTestRealm({ realm, ignore: ["${[...found.keys()][0]}"] }).`,
      )
    },
  }
}

/** One step of a path; what a file calls its things may hold anything. */
export function step(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name
}
