/**
 * `npm run -s build && node --expose-gc test/bench/remembered-row.ts`: what a guarded request takes whose token and row are
 * remembered, beside one of a gate without a user table; in one process, in turns, in microseconds of its main thread.
 */
import { cachedUserStore, createGate, memoryUserStore, type Principal } from "keycloak-gate"
import { startTestRealm } from "keycloak-gate/testing"
import { cpuTime } from "./cpu-time.ts"
import { spreadOf } from "./median.ts"

const people = 2000
const callsPerTurn = 100_000
const rounds = 15

type Recall = (authorization: string) => Principal<unknown> | null

const realm = await startTestRealm()
const lines: Buffer[] = []
for (let index = 0; index < people; index++) {
  const { username } = realm.addUser({ username: `person-${index}` })
  lines.push(Buffer.from(`Bearer ${await realm.issueToken(username)}`, "latin1"))
}
// A new string each time, as from a request: one that is used twice has its hash remembered.
const authorization = (index: number): string => (lines[index % people] as Buffer).toString("latin1")

const stores = {
  "without a user table": undefined,
  "with remembered rows": cachedUserStore(memoryUserStore(), { seconds: 3600 }),
}
const contestants: { readonly name: string; readonly recall: Recall; readonly us: number[] }[] = []
for (const [name, userStore] of Object.entries(stores)) {
  const gate = createGate({ ...realm.gateOptions, userStore, onEvent: () => undefined })
  for (let index = 0; index < people; index++) await gate.verifyBearer(authorization(index))
  const internals = gate as unknown as { readonly [key: symbol]: { readonly recall: Recall } }
  const { recall } = internals[Symbol.for("keycloak-gate.internals")] as { readonly recall: Recall }
  contestants.push({ name, recall, us: [] })
}
contestants.push({ name: "the header's text alone", recall: text => text as unknown as null, us: [] })

for (let round = 0; round < rounds + 3; round++) {
  for (let place = 0; place < contestants.length; place++) {
    const contestant = contestants[(place + round) % contestants.length]
    if (contestant === undefined) continue
    const us = turn(contestant.recall)
    // The first rounds warm up.
    if (round >= 3) contestant.us.push(us)
  }
}
for (const { name, us } of contestants) {
  const { median, lowest, highest } = spreadOf(us)
  console.log(`${name}: ${median.toFixed(2)} µs (${lowest.toFixed(2)}–${highest.toFixed(2)})`)
}
await realm.stop()

function turn(recall: Recall): number {
  globalThis.gc?.()
  const before = cpuTime().main
  for (let count = 0; count < callsPerTurn; count++)
    if (recall(authorization(count)) === null) throw new Error("somebody was not recalled")
  return (cpuTime().main - before) / callsPerTurn
}
