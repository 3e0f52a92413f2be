import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export const root: string = join(import.meta.dirname, "../..")

/** A page of the documentation: README, CONTRIBUTING and whatever stands in `docs/`. */
export interface Page {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

export interface Block {
  readonly language: string
  readonly code: string
  /** Page and line, to find it again. */
  readonly place: string
}

export function pages(): readonly Page[] {
  const inDocs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map(file => `docs/${file}`)
  return ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...inDocs.sort()]
    .filter(path => path.endsWith(".md"))
    .map(path => ({ path, text: readFileSync(join(root, path), "utf8") }))
}

export function blocksOf({ path, text }: Page): readonly Block[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(({ 1: language = "", 2: code = "", index }) => ({
    language,
    code,
    place: `${path}:${text.slice(0, index).split("\n").length}`,
  }))
}

/** What is read as prose: no code, no comments, no tables, no headings, nothing that the benchmark wrote, and links by their text. */
function proseOf({ text }: Page): string {
  return text
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/<!-- bench:start -->[\s\S]*?<!-- bench:end -->/g, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/^(\||#).*$/gm, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
}

/** Sentences of the prose; an item of a list begins one. */
export function sentencesOf(page: Page): readonly string[] {
  return proseOf(page)
    .split(/\n\s*\n|\n\s*(?:[-*]|\d+\.)\s+|(?<=[.!?:])\s+(?=[A-Z`*"(])/)
    .map(sentence => sentence.replace(/\s+/g, " ").trim())
    .filter(sentence => sentence !== "")
}

/** GitHub's anchor of each heading. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "")
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading)
  return new Set(
    headings.map(heading =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replace(/\s/g, "-"),
    ),
  )
}
