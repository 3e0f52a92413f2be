import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { describe, expect, it } from "vitest"
import { anchorsOf, type Page, pages, root, sentencesOf } from "./pages.ts"

const all = pages()
const byPath = new Map(all.map(page => [page.path, page]))
const readme = byPath.get("README.md") as Page

/** Where a relative link leads to, or what is wrong with it. */
function deadLinks(page: Page): readonly string[] {
  const targets = [...page.text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target)
  return targets.filter(target => {
    if (/^[a-z]+:/.test(target)) return false
    const [file = "", anchor] = target.split("#")
    const path = file === "" ? page.path : normalize(join(dirname(page.path), file))
    if (!existsSync(join(root, path))) return true
    const other = byPath.get(path)
    return anchor !== undefined && other !== undefined && !anchorsOf(other).has(anchor)
  })
}

describe("the documentation", () => {
  it.each(all)("$path links to what is there", page => {
    expect(deadLinks(page)).toEqual([])
  })

  it.each(all)("$path has no sentence of more than 20 words, and no semicolon in one", page => {
    const long = sentencesOf(page).filter(sentence => sentence.split(" ").length > 20 || /;\s/.test(sentence))
    expect(long).toEqual([])
  })

  it("can be reached from the README, every page of it", () => {
    const reached = new Set(["README.md"])
    const waiting = [readme]
    for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
      for (const [, target = ""] of page.text.matchAll(/\]\(([^)#\s]+)/g)) {
        const path = normalize(join(dirname(page.path), target))
        const next = byPath.get(path)
        if (next === undefined || reached.has(path)) continue
        reached.add(path)
        waiting.push(next)
      }
    }
    expect(all.map(({ path }) => path).filter(path => !reached.has(path))).toEqual([])
  })

  it("begins with a README below 250 lines, whose first 60 show the two commands of a checkout", () => {
    const lines = readme.text.split("\n")
    expect(lines.length).toBeLessThan(250)
    expect(lines.slice(0, 60).join("\n")).toContain("npm ci && npm run demo")
    expect(lines.slice(0, 60).join("\n")).toContain("npm ci && npm test")
  })
})
