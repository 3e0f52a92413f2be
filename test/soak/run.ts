/**
 * `npm run soak -- --seconds 600 --seed 1`: everything that an application does, for a long time, with the memories of the
 * library full. Fails when memory or handles grow, or when a memory holds more than its bound.
 */
import { join } from "node:path"
import { setTimeout as delay, setImmediate } from "node:timers/promises"
import { parseArgs } from "node:util"
import { seededRandom } from "../support/seeded-random.ts"
import type { Answer } from "../support/traffic.ts"
import { memories } from "./memories.ts"
import { startRealm } from "./realm.ts"
import { growthPerMinute, type Sample } from "./trend.ts"
import { watchMemories } from "./watched-memories.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    people: { type: "string", default: "100000" },
  },
})
const [seconds, seed, people] = [Number(values.seconds), Number(values.seed), Number(values.people)]
const random = seededRandom(seed)
const perSecond = 300
const intervalSeconds = 5

// Above what the measuring itself is wrong by. Shorter or smaller runs tell figures that nothing follows from.
const isLong = seconds >= 240
const most = { heapPerMinute: 300_000, rssPerMinute: 3_000_000, handlesPerMinute: 2, heapPerPerson: 30 }
/** Caches that swing between their bound and twice of it are where they were after so many people. */
const isWholeSwing = people % 50_000 === 0

console.log(`--seconds ${seconds} --seed ${seed} --people ${people}`)
const watched = watchMemories(join(import.meta.dirname, "../../src"), memories)
// These load the library, which has to find the watched collections.
const { startTraffic } = await import("../support/traffic.ts")
const { startLife } = await import("./kinds.ts")
const realm = startRealm()
const life = await startLife(realm, random)
const begun = performance.now()
const counts: Record<string, number> = {}
const samples: Sample[] = []

const atFirst = await look("at first")
await life.meetNewPeople(people)
const full = await look(`after ${people} people`)
await life.meetNewPeople(people)
const fullAgain = await look(`after ${people} others`)
const until = performance.now() + 1000 * seconds
for (let interval = 0; performance.now() < until; interval++) {
  const traffic = startTraffic(life.kinds, perSecond, seed + interval, count)
  await trouble(interval)
  await traffic.stop()
  samples.push(await look(interval % 12 === 0 ? "with everything" : null))
}
const atLast = await look("at last")
await life.close()
await realm.stop()
await delay(100) // sockets and timers that were told to end do so in the next turns of the loop
const left = process.getActiveResourcesInfo().filter(resource => !/^(PipeWrap|TTYWrap)$/.test(resource))
report()

function count({ kind, status }: Answer): void {
  counts[`${kind}: ${status}`] = (counts[`${kind}: ${status}`] ?? 0) + 1
}

/** What befalls Keycloak in this interval. */
async function trouble(interval: number): Promise<void> {
  const half = (intervalSeconds * 1000) / 2
  if (interval % 4 === 1) await life.rotate(interval % 8 === 1)
  if (interval % 6 === 2) await realm.tell("goDown")
  if (interval % 9 === 4) await realm.tell("slow", 3000)
  await delay(half)
  await realm.tell("comeBack")
  await realm.tell("slow", 0)
  await delay(half)
}

async function look(name: string | null): Promise<Sample> {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.()
    await setImmediate()
  }
  watched.look()
  const { heapUsed, external, rss } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo().length
  const sample = { seconds: (performance.now() - begun) / 1000, heap: heapUsed + external, rss, resources }
  if (name !== null) console.log(line(name, sample))
  return sample
}

function line(name: string, sample: Sample): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  const { seconds: at, heap, rss, resources } = sample
  return `${at.toFixed(0).padStart(5)} s  ${name.padEnd(22)} heap ${mb(heap)}  rss ${mb(rss)}  ${resources} handles`
}

function report(): void {
  const half = samples.slice(samples.length / 2)
  const perPerson = (fullAgain.heap - full.heap) / people
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`
  const trends = [
    trend(
      "heap",
      growthPerMinute(half, ({ heap }) => heap),
      most.heapPerMinute,
      kB,
      isLong,
    ),
    trend(
      "rss",
      growthPerMinute(half, ({ rss }) => rss),
      most.rssPerMinute,
      kB,
      isLong,
    ),
    trend(
      "handles",
      growthPerMinute(half, ({ resources }) => resources),
      most.handlesPerMinute,
      String,
      isLong,
    ),
    trend("heap for each new person", perPerson, most.heapPerPerson, bytes => `${bytes.toFixed(1)} B`, isWholeSwing),
  ]
  const filled = memories.map(memory => ({ ...memory, reached: watched.reached(memory) }))
  const problems = [
    ...trends.flatMap(({ problem }) => problem),
    ...filled
      .filter(({ bound, reached }) => bound !== "calls" && reached > bound)
      .map(({ file, name, bound, reached }) => `${file}: ${name} held ${reached}, more than ${bound}`),
    ...(left.length > 0 ? [`after close() there are left: ${left.join(", ")}`] : []),
  ]

  console.log(`${line("before", atFirst)}\n${line("after", atLast)}\n`)
  for (const { told } of trends) console.log(told)
  console.log(`\nanswers: ${list(counts)}\n\nevents: ${list(life.heard)}\n`)
  console.log("| memory | holds | bound | reached |\n| --- | --- | --- | --- |")
  for (const { file, name, holds, bound, reached, isWatched = true } of filled) {
    const limit = bound === "calls" ? "calls under way" : bound
    console.log(`| ${file} \`${name}\` | ${holds} | ${limit} | ${isWatched ? reached : "–"} |`)
  }
  for (const problem of problems) console.log(`\nPROBLEM: ${problem}`)
  process.exitCode = problems.length > 0 ? 1 : 0
}

/** What the growth over the last half of the time comes to, in a minute, and whether it is too much. */
function trend(what: string, grows: number, bound: number, show: (value: number) => string, isJudged: boolean) {
  const told = `${what}: grows by ${show(grows)}${what.includes("each") ? "" : " a minute"}, bound ${show(bound)}`
  const isBroken = isJudged && grows > bound
  return { told: isJudged ? told : `${told} (too short a run to judge)`, problem: isBroken ? [told] : [] }
}

function list(counted: Readonly<Record<string, number>>): string {
  return Object.entries(counted)
    .sort(([, one], [, other]) => other - one)
    .map(([what, times]) => `${what} ${times}`)
    .join(", ")
}
