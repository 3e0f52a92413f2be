import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const page = join(import.meta.dirname, "../../docs/performance.md")
const [start, end] = ["<!-- bench:start -->", "<!-- bench:end -->"]

/**
 * Puts this text between the markers of the page.
 *
 * @throws {Error} when a marker is missing
 */
export function writePageSection(text: string): void {
  const before = readFileSync(page, "utf8")
  const [from, to] = [before.indexOf(start), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`docs/performance.md has no ${start} … ${end}`)
  writeFileSync(page, `${before.slice(0, from + start.length)}\n${text.trim()}\n${before.slice(to)}`)
}
