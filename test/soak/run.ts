/**
 * `npm run soak -- --seconds 600 --seed 1`: everything that an application does, for a long time, with the memories of the
 * library full. Fails when memory or handles grow, or when a memory holds more than its bound.
 */
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { parseArgs } from "node:util"
import { seededRandom } from "../support/seeded-random.ts"
import type { Answer } from "../support/traffic.ts"
import { memories } from "./memories.ts"
import { startRealm } from "./realm.ts"
import { growth, type Sample } from "./trend.ts"
import { watchMemories } from "./watched-memories.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    fill: { type: "string", default: "110000" },
  },
})
const [seconds, seed, fill] = [Number(values.seconds), Number(values.seed), Number(values.fill)]
const random = seededRandom(seed)
const perSecond = 300
const intervalSeconds = 5
/** Above what the measuring itself is wrong by. */
const mostHeapPerMinute = 150_000
const mostRssPerMinute = 2_000_000
const mostResourcesPerMinute = 1
/** Below this the figures are told, but tell nothing yet. */
const fewestSeconds = 240

console.log(`--seconds ${seconds} --seed ${seed} --fill ${fill}`)
const watched = watchMemories(join(import.meta.dirname, "../../src"), memories)
// These load the library, which has to find the watched collections.
const { startTraffic } = await import("../support/traffic.ts")
const { startLife } = await import("./kinds.ts")
const realm = startRealm()
const life = await startLife(realm, random)
const begun = performance.now()
const secondsSoFar = () => (performance.now() - begun) / 1000
const atFirst = await look()

await life.fill(fill)
const filledAfter = secondsSoFar()
console.log(`${fill} people of one token each took ${filledAfter.toFixed(0)} s`)

const counts: Record<string, number> = {}
const samples: Sample[] = []
for (let interval = 0; secondsSoFar() - filledAfter < seconds; interval++) {
  const traffic = startTraffic(life.kinds, perSecond, seed + interval, count)
  await trouble(interval)
  await traffic.stop()
  const sample = await look()
  samples.push(sample)
  if (interval % 12 === 0) console.log(describe(sample))
}
await life.close()
await realm.stop()
// Sockets and timers that were told to end do so in the next turns of the loop.
await wait(100)
const left = process.getActiveResourcesInfo().filter(resource => !/^(PipeWrap|TTYWrap)$/.test(resource))
report()

function count({ kind, status }: Answer): void {
  counts[`${kind}: ${status}`] = (counts[`${kind}: ${status}`] ?? 0) + 1
}

/** What befalls Keycloak in this interval. */
async function trouble(interval: number): Promise<void> {
  const part = (intervalSeconds * 1000) / 2
  if (interval % 4 === 1) await life.rotate(interval % 8 === 1)
  if (interval % 6 === 2) await realm.tell("goDown")
  if (interval % 9 === 4) await realm.tell("slow", 3000)
  await wait(part)
  await realm.tell("comeBack")
  await realm.tell("slow", 0)
  await wait(part)
}

async function look(): Promise<Sample> {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.()
    await setImmediate()
  }
  watched.look()
  const { heapUsed, external, rss } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo().length
  return { seconds: secondsSoFar(), heap: heapUsed + external, rss, resources, swinging: watched.swinging() }
}

function describe({ seconds: at, heap, rss, resources, swinging }: Sample): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  return `${at.toFixed(0).padStart(5)} s  heap ${mb(heap)}  rss ${mb(rss)}  ${resources} handles  ${swinging} in LRU caches`
}

function wait(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

function report(): void {
  const half = samples.slice(samples.length / 2)
  const perMinute = (value: (sample: Sample) => number) => 60 * growth(half, value)
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`
  const trends: [string, number, number, (value: number) => string][] = [
    ["heap", perMinute(({ heap }) => heap), mostHeapPerMinute, kB],
    ["rss", perMinute(({ rss }) => rss), mostRssPerMinute, kB],
    ["handles", perMinute(({ resources }) => resources), mostResourcesPerMinute, value => value.toFixed(2)],
  ]
  const full = memories.map(memory => ({ ...memory, reached: watched.reached(memory) }))
  const isJudged = secondsSoFar() - filledAfter >= fewestSeconds
  const problems = [
    ...trends
      .filter(([, grows, most]) => isJudged && grows > most)
      .map(([what, grows, most, show]) => `${what} grows by ${show(grows)} a minute, more than ${show(most)}`),
    ...full
      .filter(({ bound, reached }) => bound !== "calls" && reached > bound)
      .map(({ file, name, bound, reached }) => `${file}: ${name} held ${reached}, more than ${bound}`),
    ...(left.length > 0 ? [`after close() there are left: ${left.join(", ")}`] : []),
  ]

  console.log(`\nat first      ${describe(atFirst)}`)
  if (samples[0]) console.log(`all full      ${describe(samples[0])}`)
  console.log(`in the end    ${describe(samples.at(-1) ?? atFirst)}\n`)
  for (const [what, grows, most, show] of trends)
    console.log(`${what} over the last half: ${show(grows)} a minute (bound ${show(most)})`)
  if (!isJudged) console.log(`(too short to judge: --seconds ${fewestSeconds} or more)`)
  console.log(`\nanswers: ${list(counts)}\n\nevents: ${list(life.heard)}\n`)
  console.log("| memory | holds | bound | reached |\n| --- | --- | --- | --- |")
  for (const { file, name, holds, bound, reached, isWatched = true } of full)
    console.log(
      `| ${file} \`${name}\` | ${holds} | ${bound === "calls" ? "calls under way" : bound} | ${isWatched ? reached : "–"} |`,
    )
  for (const problem of problems) console.log(`\nPROBLEM: ${problem}`)
  process.exitCode = problems.length > 0 ? 1 : 0
}

function list(counted: Readonly<Record<string, number>>): string {
  return Object.entries(counted)
    .sort(([, one], [, other]) => other - one)
    .map(([what, times]) => `${what} ${times}`)
    .join(", ")
}
