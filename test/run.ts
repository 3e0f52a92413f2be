/** `npm test`: runs Vitest, searches all that it printed for secrets, and ends with one line of numbers. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"

const root = join(import.meta.dirname, "..")
const reportFile = join(root, ".cache/vitest.json")
const outputFile = join(root, ".cache/test-output.txt")
const exports = ["export-of-20", "export-of-24"].map(name => `test/testing/realms/${name}.json`)
const realmFiles = ["test/live/realm.json", "examples/realm.json", ...exports].map(file => join(root, file))

const { exitCode, output } = await runVitest(process.argv.slice(2))
const leaks = leaksIn(output)
const { passed, failed, skipped } = countTests()

const problems = [
  ...leaks,
  ...(exitCode === 0 || failed > 0 ? [] : [`Vitest ended with ${exitCode ?? "a signal"}`]),
  ...(passed + failed > 0 ? [] : ["No test ran"]),
  ...(skipped > 0 && process.env.CI === "true" ? ["With CI=true nothing may be skipped"] : []),
]
for (const problem of problems) console.log(problem)
if (leaks.length > 0) console.log("The lines are those of .cache/test-output.txt")
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = failed > 0 || problems.length > 0 ? 1 : 0

async function runVitest(args: readonly string[]): Promise<{ exitCode: number | null; output: string }> {
  mkdirSync(join(root, ".cache"), { recursive: true })
  for (const stale of [reportFile, outputFile]) rmSync(stale, { force: true })
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`]
  const vitest = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args], {
    cwd: root,
    stdio: ["inherit", "pipe", "pipe"],
    env: { ...process.env, ...(process.stdout.isTTY && !process.env.NO_COLOR && { FORCE_COLOR: "1" }) },
  })
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => vitest.kill(signal))

  const chunks: Buffer[] = []
  vitest.stdout.on("data", chunk => chunks.push(chunk)).pipe(process.stdout, { end: false })
  vitest.stderr.on("data", chunk => chunks.push(chunk)).pipe(process.stderr, { end: false })
  const [code] = await once(vitest, "close")
  return { exitCode: code, output: stripVTControlCharacters(Buffer.concat(chunks).toString()) }
}

interface Report {
  readonly testResults: readonly {
    readonly status: "passed" | "failed"
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

function countTests(): { passed: number; failed: number; skipped: number } {
  if (!existsSync(reportFile)) return { passed: 0, failed: 0, skipped: 0 }
  const { testResults }: Report = JSON.parse(readFileSync(reportFile, "utf8"))
  const statuses = testResults.flatMap(file => {
    const ofTests = file.assertionResults.map(({ status }) => status)
    const brokenFile = file.status === "failed" && !ofTests.includes("failed")
    return brokenFile ? [...ofTests, "failed"] : ofTests
  })
  const count = (wanted: string) => statuses.filter(status => status === wanted).length
  const [passed, failed] = [count("passed"), count("failed")]
  return { passed, failed, skipped: statuses.length - passed - failed }
}

/** Each with its kind and line but without its value: this text is printed too. */
function leaksIn(text: string): string[] {
  const kinds: [kind: string, isIn: (line: string) => boolean][] = [
    ["a token", line => /eyJ[\w-]{8,}\./.test(line)],
    ["an e-mail address", line => /[\w.+-]+@example\.(test|com|org)/i.test(line)],
    ...secretsOf(realmFiles).map(([kind, secret]): [string, (line: string) => boolean] => [
      kind,
      line => line.includes(secret),
    ]),
  ]
  const leaks = text.split("\n").flatMap((line, index) => {
    const found = kinds.filter(([, isIn]) => isIn(line)).map(([kind]) => kind)
    return [...new Set(found)].map(kind => `LEAK: the tests printed ${kind}, line ${index + 1}`)
  })
  if (leaks.length > 0) writeFileSync(outputFile, text)
  return leaks
}

interface RealmSecrets {
  readonly clients: readonly { readonly secret?: string }[]
  readonly users: readonly { readonly credentials?: readonly { value?: string; secretData?: string }[] }[]
}

function secretsOf(files: readonly string[]): [kind: string, value: string][] {
  return files.flatMap(file => {
    const { clients, users }: RealmSecrets = JSON.parse(readFileSync(file, "utf8"))
    const credentials = users.flatMap(user => user.credentials ?? [])
    const clientSecrets = clients.flatMap(({ secret }) => secret ?? [])
    const passwords = credentials.flatMap(({ value }) => value ?? [])
    const otpKeys = credentials.flatMap(({ secretData }) => (secretData ? String(JSON.parse(secretData).value) : []))
    return [
      ...clientSecrets.map((value): [string, string] => ["a client secret", value]),
      ...passwords.map((value): [string, string] => ["a password", value]),
      ...otpKeys.map((value): [string, string] => ["a one-time-password key", value]),
    ]
  })
}
