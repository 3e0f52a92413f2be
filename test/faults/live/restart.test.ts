import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateEvent,
  type GateOptions,
  type MemoryUser,
  memoryUserStore,
} from "../../../src/index.js"
import { readRealm } from "../../live/keycloak/admin.ts"
import { type RunningKeycloak, startKeycloak } from "../../live/keycloak/start.ts"
import { personNamed } from "../../support/person-named.ts"
import { chosenSeed, seededRandom } from "../../support/seeded-random.ts"
import { type Answer, startTraffic } from "../../support/traffic.ts"

const perSecond = 25
/** Before and after each restart; how long that takes is Keycloak's affair. */
const calmSeconds = Number(process.env.CALM_SECONDS ?? 5)
// So long that only a Keycloak that is not there counts as down, not one that a busy machine slows down.
const timeoutMs = 60_000
/** Of the gates that meet a frozen Keycloak, where nothing but the time-out ends a wait. */
const shortMs = 2000
const slackMs = 3000
const seed = chosenSeed()
const random = seededRandom(seed)
const realm = "gate-restart"

interface Session {
  readonly username: string
  readonly accessToken: string
  readonly refreshToken: string
}

let keycloak: RunningKeycloak
let dataFolder: string
const store = memoryUserStore()
let gates: Record<string, Gate<MemoryUser>> = {}
const oldGates: Gate<MemoryUser>[] = []
const events: Record<string, GateEvent[]> = {}
const answers: Answer[] = []
const answersWhileFrozen: Answer[] = []
const people: { readonly username: string; readonly subject: string }[] = []
const sessions: Session[] = []
const outages = ["SIGTERM", "SIGKILL"] as const

const isState = ({ type }: GateEvent) => type === "keycloak_down" || type === "keycloak_up"
const describeState = (state: GateEvent) => `${JSON.stringify(state)} ${"error" in state ? state.error.message : ""}`
const gateNamed = (name: string) => gates[name] as Gate<MemoryUser>
const oneOf = <Value>(values: readonly Value[]) => values[Math.floor(random() * values.length)] as Value
let registrations = 0

async function register(): Promise<void> {
  const { username, subject } = await gateNamed("local").registerUser(personNamed(`person-${registrations++}`))
  people.push({ username, subject })
}

async function logIn(): Promise<void> {
  const { username } = oneOf(people)
  sessions.push({ username, ...(await gateNamed("local").loginWithPassword(personNamed(username))) })
}

/** Whoever refreshes goes on with the new tokens; the old ones live on too. */
async function refresh(): Promise<void> {
  const index = Math.floor(random() * sessions.length)
  const session = sessions[index] as Session
  sessions[index] = { ...session, ...(await gateNamed("local").refreshSession(session.refreshToken)) }
}

async function update(): Promise<void> {
  await gateNamed("local").updateAccount(oneOf(people).subject, { firstName: oneOf(["Ada", "Augusta", "Annabella"]) })
}

const verify = (gate: string) => async () => {
  const { username, accessToken } = oneOf(sessions)
  const principal = await gateNamed(gate).verifyBearer(`Bearer ${accessToken}`, {})
  if (principal.username !== username) throw new Error("the principal of somebody else")
}

const kinds = [
  { name: "verify local", share: 20, send: verify("local") },
  { name: "verify introspection", share: 8, send: verify("introspection") },
  { name: "verify recheck", share: 10, send: verify("recheck") },
  { name: "login", share: 4, send: logIn },
  { name: "refresh", share: 4, send: refresh },
  { name: "registration", share: 2, send: register },
  { name: "update", share: 2, send: update },
]

/** How many time-outs the verbs of several requests may take; an update waits for one before it, too. */
const timeouts: Record<string, number> = { registration: 3, update: 4 }

const modes: Record<string, GateOptions<MemoryUser>["verification"]> = {
  local: "local",
  introspection: "introspection",
  recheck: { mode: "local", recheckSeconds: 2 },
}

function openGates(timeoutMs: number, hear: (name: string, event: GateEvent) => void): void {
  oldGates.push(...Object.values(gates))
  const client = { serverUrl: keycloak.url, realm, clientId: "gate-app", clientSecret: "gate-secret", timeoutMs }
  // Keys that age within the run, and are renewed or kept over the restarts.
  const common = { ...client, userStore: store, keySet: { maxAgeSeconds: 15 } }
  gates = Object.fromEntries(
    Object.entries(modes).map(([name, verification]) => {
      const onEvent = (event: GateEvent) => hear(name, event)
      return [name, createGate({ ...common, verification, onEvent })]
    }),
  )
}

async function restart(signal: (typeof outages)[number]): Promise<void> {
  const { port, pid } = keycloak
  process.kill(-(pid as number), signal)
  await keycloak.stop()
  keycloak = await startKeycloak({ port, dataFolder })
}

/** Traffic before, over and after one restart; returns when Keycloak does everything again. */
async function trafficOver(signal: (typeof outages)[number]): Promise<void> {
  const traffic = startTraffic(kinds, perSecond, seed, answer => answers.push(answer))
  await delay(calmSeconds * 1000)
  await restart(signal)
  await delay(calmSeconds * 1000)
  await traffic.stop()
  for (const { name, send } of kinds) await untilDone(name, send)
}

/** Traffic that a Keycloak gets which is there and does nothing, as a machine that swaps, or a virtual one that is paused. */
async function trafficWhileFrozen(): Promise<void> {
  openGates(shortMs, () => undefined)
  for (const { name, send } of kinds) await untilDone(name, send)
  const group = -(keycloak.pid as number)
  process.kill(group, "SIGSTOP")
  try {
    const traffic = startTraffic(kinds, perSecond, seed, answer => answersWhileFrozen.push(answer))
    await delay(3 * shortMs)
    await traffic.stop()
  } finally {
    process.kill(group, "SIGCONT")
  }
}

/** A server that has just begun is slow, and busy with what nobody waits for any more. */
async function untilDone(what: string, work: () => Promise<unknown>): Promise<void> {
  const begun = performance.now()
  const isDone = () =>
    work().then(
      () => true,
      () => false,
    )
  while (!(await isDone())) {
    if (performance.now() - begun > 180_000) throw new Error(`${what}: refused for three minutes after the outage`)
    await delay(500)
  }
}

beforeAll(async () => {
  console.log(`${perSecond} requests a second over ${outages.length} restarts, SEED=${seed}`)
  dataFolder = await mkdtemp(join(tmpdir(), "keycloak-data-"))
  keycloak = await startKeycloak({ port: 0, dataFolder })
  const template = await readRealm(join(import.meta.dirname, "../../live/realm.json"))
  // Whoever logs in twice within a second is locked out otherwise.
  await keycloak.importRealm({ ...template, realm, bruteForceProtected: false })
  openGates(timeoutMs, (name, event) => {
    events[name] = [...(events[name] ?? []), event]
  })
  await Promise.all(Array.from({ length: 20 }, register))
  await Promise.all(Array.from({ length: 20 }, logIn))
  for (const name of Object.keys(events)) events[name] = []

  for (const signal of outages) await trafficOver(signal)
  await trafficWhileFrozen()
}, 900_000)

afterAll(async () => {
  await Promise.all([...oldGates, ...Object.values(gates)].map(gate => gate.close()))
  await keycloak.stop()
  await rm(dataFolder, { recursive: true, force: true })
})

const late = (answers: readonly Answer[], limitMs: number) =>
  answers
    .filter(({ kind, ms }) => ms > (timeouts[kind] ?? 1) * limitMs + slackMs)
    .map(({ kind, code, ms }) => `${kind}: ${code} after ${Math.round(ms)} ms`)
const some = (answers: readonly Answer[]) =>
  [...new Set(answers.map(({ kind, status, code, message }) => `${kind}: ${status} ${code} ${message}`))].slice(0, 10)

describe(`${perSecond} requests a second over restarts of a Keycloak that keeps its data`, () => {
  it("are refused with 503 alone, no 401, no 500, nothing else, and all answered again when it is back", () => {
    const refused = answers.filter(({ status }) => status !== 200)
    expect(some(refused.filter(({ status }) => status !== 503))).toEqual([])
    expect(refused.length).toBeGreaterThan(0)
  })

  it("never keep anybody from verifying with known keys", () => {
    const local = answers.filter(({ kind }) => kind === "verify local" || kind === "verify recheck")
    expect(some(local.filter(({ status }) => status !== 200))).toEqual([])
  })

  it("get no answer later than the time-out", () => {
    expect(late(answers, timeoutMs)).toEqual([])
  })

  it("get an answer within the time-out from a Keycloak that is frozen too, 503 or by known keys", () => {
    expect(late(answersWhileFrozen, shortMs)).toEqual([])
    const local = ["verify local", "verify recheck"]
    const statuses = answersWhileFrozen.map(
      ({ kind, status }) => `${local.includes(kind) ? "local" : "other"} ${status}`,
    )
    expect(new Set(statuses)).toEqual(new Set(["local 200", "other 503"]))
  })

  it.each(Object.keys(modes))("tell each outage and its end once, in the gate with %s verification", name => {
    const states = (events[name] ?? []).filter(isState)
    const told = states.map(describeState).join("\n")
    expect(
      states.map(({ type }) => type),
      told,
    ).toEqual(outages.flatMap(() => ["keycloak_down", "keycloak_up"]))
  })

  it("lose nobody who got a 201: account and row are there", async () => {
    expect(people.length).toBeGreaterThan(20)
    for (const { username, subject } of people) {
      const { body } = await keycloak.adminFetch("GET", `/realms/${realm}/users?exact=true&username=${username}`)
      expect(body).toMatchObject([{ id: subject }])
      const issuer = `${keycloak.url}/realms/${realm}`
      expect(await store.findUser({ issuer, subject })).toMatchObject({ username })
    }
  })

  it("leave every session alive that was told", async () => {
    for (const { accessToken } of sessions) await gateNamed("introspection").verifyBearer(`Bearer ${accessToken}`, {})
  })
})
