import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { SMTPServer } from "smtp-server"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createAdmin, readRealm } from "../../live/keycloak/admin.ts"
import {
  faults,
  meet,
  meetStore,
  type Outcome,
  steps,
  storeFaults,
  storeSteps,
  storeTimeoutMs,
  timeoutMs,
  toMarkdown,
} from "../../support/fault-matrix.ts"

const root = join(import.meta.dirname, "../../..")
const realm = "gate-matrix"
const admin = createAdmin(inject("keycloak"))
const outcomes = new Map<string, Outcome>()
const keyOf = (step: string, fault: string) => `${step} × ${fault}`
const outcome = (step: string, fault: string): Outcome =>
  outcomes.get(keyOf(step, fault)) ?? expect.unreachable("every cell is measured")

// Mail goes to nobody: this server takes it and forgets it.
const mailServer = new SMTPServer({ authOptional: true, disabledCommands: ["STARTTLS"] })

beforeAll(async () => {
  await new Promise<void>(resolve => mailServer.listen(0, "127.0.0.1", resolve))
  const { port } = mailServer.server.address() as { port: number }
  const smtpServer = { host: "127.0.0.1", port: String(port), from: "shop@example.test" }
  await admin.deleteRealm(realm).catch(() => undefined)
  const template = await readRealm(join(root, "test/live/realm.json"))
  // Its people have fixed ids, which one server has once.
  const users = (template.users as { serviceAccountClientId?: string }[]).filter(user => user.serviceAccountClientId)
  // Hashing that takes no time leaves the time limit to the faults.
  const passwordPolicy = "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)"
  await admin.importRealm({ ...template, realm, smtpServer, users, passwordPolicy })

  const connection = { serverUrl: inject("keycloak").url, realm, clientId: "gate-app", clientSecret: "gate-secret" }
  interface Cell {
    readonly step: string
    readonly fault: string
    readonly hangs: boolean
    readonly run: () => Promise<Outcome>
  }
  const cells: readonly Cell[] = [
    ...storeSteps.flatMap(step =>
      storeFaults.map(fault => {
        const run = () => meetStore(step, fault, connection, admin)
        return { step, fault, hangs: fault === "never settles", run }
      }),
    ),
    ...steps.flatMap(step =>
      faults.map(fault => {
        const run = () => meet(step, fault, connection, admin)
        return { step: step.name, fault: fault.name, hangs: fault.hangs === true, run }
      }),
    ),
  ]
  async function measure(some: readonly Cell[], atOnce: number): Promise<void> {
    const queue = some[Symbol.iterator]()
    async function work(): Promise<void> {
      for (const { step, fault, run } of queue) outcomes.set(keyOf(step, fault), await run())
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
  // What hangs only waits. The others keep the server busy, which would cost those that hang their time limit.
  await measure(
    cells.filter(({ hangs }) => hangs),
    16,
  )
  await measure(
    cells.filter(({ hangs }) => !hangs),
    4,
  )
}, 600_000)

afterAll(async () => {
  await admin.deleteRealm(realm).catch(() => undefined)
  await new Promise<void>(resolve => mailServer.close(() => resolve()))
})

describe.each(steps.map(({ name }) => name))("registerUser that meets a fault at %s", step => {
  it.each(faults.map(({ name }) => name))("%s: ends in time, and lets a retry succeed", fault => {
    const { text, ms, retry } = outcome(step, fault)
    if (faults.find(({ name }) => name === fault)?.hangs) expect(ms).toBeLessThan(4 * timeoutMs)
    if (text.startsWith("201")) expect(retry).toBe("")
    else expect(retry).toBe(text.endsWith("finished forward") ? "409, logs in" : "201 both")
  })

  it("leaves account and row or neither", () => {
    for (const { name } of faults)
      expect(outcome(step, name).text).toMatch(/( both| none|, account perhaps, finished forward)$/)
  })
})

describe.each(storeSteps)("registerUser whose store fails at %s", step => {
  it.each(storeFaults)("%s: ends in time, and lets a retry succeed", fault => {
    const { ms, retry } = outcome(step, fault)
    expect(ms).toBeLessThan(storeTimeoutMs + 30_000)
    expect(retry).toMatch(/^201 (both|1 accounts, 2 rows)/)
  })
})

it("the documentation's fault matrix is what this run gave", () => {
  const file = join(root, "docs/failures.md")
  const page = readFileSync(file, "utf8")
  const begin = page.indexOf("\n", page.indexOf("<!-- fault matrix")) + 1
  const end = page.indexOf("<!-- end of the fault matrix")
  expect(begin).toBeLessThanOrEqual(end)
  const measured = `\n${toMarkdown((step, fault) => outcome(step, fault).text)}\n`
  if (process.env.MODE === "write-fault-matrix") writeFileSync(file, page.slice(0, begin) + measured + page.slice(end))
  else expect(page.slice(begin, end)).toBe(measured)
})
