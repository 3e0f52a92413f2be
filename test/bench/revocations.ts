import { randomBytes, randomUUID } from "node:crypto"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { Gate, Revoked } from "../../src/index.js"
import { startIssuer } from "../support/issuer.ts"
import { cpuTime } from "./cpu-time.ts"
import { median } from "./median.ts"
import { shuffled } from "./shuffle.ts"

/**
 * What revocations cost a request whose token is remembered, among 10,000 tokens in an order that nobody can guess, and how
 * much memory they take. All are measured in turn, in one process.
 *
 * `node --expose-gc test/bench/revocations.ts [DIST]` also measures the build in another folder, of an earlier commit.
 */
const tokens = 10_000
const revocations = 100_000
const rounds = 31
const turnMs = 200

interface Contestant {
  readonly name: string
  readonly recall: (header: string) => unknown
  /** Revokes one more. */
  readonly revoke: (() => void) | null
  readonly nanoseconds: number[]
}

const issuer = await startIssuer()
await issuer.rotate("ES256")
const headers: string[] = []
for (let n = 0; n < tokens; n++) headers.push(`Bearer ${await issuer.mint({ claims: { sub: randomUUID() } })}`)
const order = shuffled(tokens)

const gates: Gate<unknown>[] = []
async function open(dist: string): Promise<Gate<unknown>> {
  const { createGate } = (await import(
    pathToFileURL(resolve(dist, "index.js")).href
  )) as typeof import("../../src/index.js")
  const gate = createGate({ serverUrl: issuer.url, realm: "shop", clientId: "shop-api", onEvent: () => undefined })
  gates.push(gate)
  for (const header of headers) await gate.verifyBearer(header)
  return gate
}

const recallOf = (gate: Gate<unknown>) =>
  (gate as unknown as Record<symbol, { recall: Contestant["recall"] }>)[Symbol.for("keycloak-gate.internals")]?.recall

function contestant(name: string, gate: Gate<unknown>, revoke: Contestant["revoke"] = null): Contestant {
  const recall = recallOf(gate)
  if (recall === undefined) throw new Error("a gate without its internals")
  return { name, recall, revoke, nanoseconds: [] }
}

/** How long one header takes, in nanoseconds of the main thread. */
function turn({ recall, revoke }: Contestant): number {
  const begun = cpuTime().main
  const until = performance.now() + turnMs
  let nextRevocation = performance.now() + 1000 * Math.random()
  let count = 0
  while (performance.now() < until) {
    if (revoke !== null && performance.now() >= nextRevocation) {
      revoke()
      nextRevocation += 1000
    }
    for (let at = 0; at < tokens; at++) {
      if (recall(headers[order[at] as number] as string) === null) throw new Error("a token was not remembered")
    }
    count += tokens
  }
  return ((cpuTime().main - begun) * 1000) / count
}

/** The same where each token is looked at once between two revocations: the most that a revocation can cost. */
function turnOfEach({ recall, revoke }: Contestant): number {
  const begun = cpuTime().main
  for (let round = 0; round < 20; round++) {
    revoke?.()
    for (let at = 0; at < tokens; at++) recall(headers[order[at] as number] as string)
  }
  return ((cpuTime().main - begun) * 1000) / (20 * tokens)
}

const sessionId = () => randomBytes(18).toString("base64url")
const dist = resolve(import.meta.dirname, "../../dist")
// Two that do the same: where their memory lies makes as much of a difference as what they do.
const off = await open(dist)
const control = await open(dist)
const on = await open(dist)
const kinds: (() => Revoked)[] = [
  () => ({ session: sessionId() }),
  () => ({ subject: randomUUID() }),
  () => ({ tokenId: `onrtro:${randomUUID()}` }),
]
global.gc?.()
const before = process.memoryUsage().heapUsed
for (let n = 0; n < revocations; n++) await on.revoke({ session: sessionId() })
global.gc?.()
const bytes = (process.memoryUsage().heapUsed - before) / revocations
for (const of of kinds.slice(1)) for (let n = 0; n < revocations / 10; n++) await on.revoke(of())
let next = 0
const contestants = [
  contestant("nothing is revoked", off),
  contestant("the same in another gate", control),
  contestant(
    "100,000 in force, one more each second",
    on,
    () => void on.revoke((kinds[next++ % 3] ?? kinds[0])?.() as Revoked),
  ),
]
const [, other] = [process.argv[1], process.argv[2]]
if (other !== undefined) contestants.push(contestant(`nothing is revoked, ${other}`, await open(other)))

for (const one of contestants) turn(one)
for (let round = 0; round < rounds; round++) {
  const inTurn = round % 2 === 0 ? contestants : contestants.toReversed()
  for (const one of inTurn) one.nanoseconds.push(turn(one))
}
const base = contestants[0] as Contestant
for (const { name, nanoseconds } of contestants) {
  const differences = nanoseconds.map((time, round) => time - (base.nanoseconds[round] as number))
  console.log(`${name}: ${median(nanoseconds).toFixed(0)} ns, ${median(differences).toFixed(0)} ns more in pairs`)
}
const each = Array.from({ length: rounds }, () => contestants.slice(1, 3).map(turnOfEach))
const [without, withOne] = [0, 1].map(which => median(each.map(one => one[which] as number)).toFixed(0))
console.log(`each token once: ${without} ns, and ${withOne} ns where one more is revoked before each round`)
console.log(`a revoked session: ${bytes.toFixed(0)} bytes`)
for (const gate of gates) await gate.close()
await issuer.close()
