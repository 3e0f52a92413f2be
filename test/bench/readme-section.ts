import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const readme = join(import.meta.dirname, "../../README.md")
const [start, end] = ["<!-- bench:start -->", "<!-- bench:end -->"]

/**
 * Puts this text between the markers of the README.
 *
 * @throws {Error} when a marker is missing
 */
export function writeReadmeSection(text: string): void {
  const before = readFileSync(readme, "utf8")
  const [from, to] = [before.indexOf(start), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`README.md has no ${start} … ${end}`)
  writeFileSync(readme, `${before.slice(0, from + start.length)}\n${text.trim()}\n${before.slice(to)}`)
}
