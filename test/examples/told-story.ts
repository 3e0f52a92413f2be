import { execFile } from "node:child_process"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"

const demo = join(import.meta.dirname, "../../examples/demo/demo.ts")

/** Runs the demo in a process of its own. */
export function runDemo(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [demo, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stripVTControlCharacters(stdout + stderr) })
    })
  })
}

/**
 * The steps that the demo told from its first chapter on, without what differs from one run to the next: ids and ports become the
 * order of their appearance, times are left out, scopes are sorted (Keycloak sends them in any order), and lines, whose
 * breaks depend on the length of all that, are joined.
 */
export function storyIn(output: string): string[] {
  const [, story = ""] = output.split(/(?=^Before anything)/m)
  const seen: string[] = []
  const number = (kind: string, text: string) => {
    if (!seen.includes(kind + text)) seen.push(kind + text)
    return `<${kind} ${seen.filter(one => one.startsWith(kind)).indexOf(kind + text) + 1}>`
  }
  return story
    .trim()
    .replace(/\s+/g, " ")
    .replace(/\b\d+ ms\b/g, "<time>")
    .replace(/[\d.]+ s$/, "<time>")
    .replace(
      /("(?:refresh_)?expires_in": )(\d+)/g,
      (_, name, seconds) => `${name}${Math.round(Number(seconds) / 10) * 10}`,
    )
    .replace(/"scope": "([^"]*)"/g, (_, scopes: string) => `"scope": "${scopes.split(" ").sort().join(" ")}"`)
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, id => number("subject", id))
    .replace(/("id": "|\bid )(\d+)/g, (_, before, id) => before + number("row", id))
    .replace(/127\.0\.0\.1:\d+/g, host => number("host", host))
    .split(/ (?=\d+ ✓)/)
}
