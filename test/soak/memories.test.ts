import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { memories, ofOneCall } from "./memories.ts"

const root = join(import.meta.dirname, "../../src")
// The test realm lives as long as one test, and the store in memory holds what the application puts there.
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter(file => file.endsWith(".ts") && !file.startsWith("testing/") && file !== "users/memory-user-store.ts")
  .sort()

const collection = String.raw`new (?:Map|Set|WeakMap|WeakSet|QuickLRU)\b`
/** What can grow: every collection that has a name, and the lists of a module or of one of its functions. */
const named = [
  new RegExp(String.raw`\b(\w+): ${collection}`),
  new RegExp(String.raw`\b(?:const|let) (\w+)\b.*${collection}`),
  new RegExp(String.raw`\b(\w+) (?:\?\?)?= ${collection}`),
  /^(?: {2})?(?:const|let) (\w+)(?:: [^=]+)? = \[\]$/,
]

function growing(file: string): string[] {
  const lines = readFileSync(join(root, file), "utf8").split("\n")
  return lines.flatMap(line => {
    const name = named.map(one => one.exec(line)?.[1]).find(Boolean)
    return name === undefined ? [] : [`${file} ${name}`]
  })
}

describe("what the source remembers", () => {
  it("is in the list of memories with its bound, or lives for one call", () => {
    const listed = [...memories.map(({ file, name }) => `${file} ${name}`), ...ofOneCall]
    const found = [...new Set(files.flatMap(growing))]
    expect(found.sort(), "what is new goes into test/soak/memories.ts, with its bound").toEqual(listed.sort())
  })
})
