/**
 * npm run bench: registerUser and loginWithPassword against the bare requests they stand on, on the same real Keycloak in
 * the same run: interleaved rounds, 8 in flight, the same payloads, the same keep-alive pool (Node's own fetch).
 */
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { createGate, type Gate } from "keycloak-gate"
import { readRealm } from "../live/keycloak/admin.ts"
import { type RunningKeycloak, startKeycloak } from "../live/keycloak/start.ts"

const inFlight = 8
const rounds = 9
const perRound = 32
const target = 0.9

interface Hashing {
  readonly name: string
  readonly passwordPolicy: string
}
const hashings: readonly Hashing[] = [
  { name: "argon2id, Keycloak's default cost", passwordPolicy: "length(8)" },
  { name: "argon2id, hashIterations(1)", passwordPolicy: "length(8) and hashIterations(1)" },
]

let people = 0
const person = () => {
  const username = `bench-${people++}`
  return {
    username,
    email: `${username}@example.test`,
    firstName: "Ada",
    lastName: "Lovelace",
    password: "Lovelace-1815",
  }
}
const edith = { username: "edith", password: "Edith-2026!" }

const realmFile = await readRealm(join(import.meta.dirname, "../../examples/realm.json"))
const keycloak = await startKeycloak({ log: () => {} })
try {
  console.log(`Keycloak 26.7.4 (dev-mem, -Xmx256m, SerialGC), Node ${process.version}, ${availableParallelism()} cores`)
  console.log(
    `${rounds} interleaved rounds of ${perRound}, ${inFlight} in flight; medians; ratio = ours ÷ bare, round by round\n`,
  )
  console.log(
    [
      "operation".padEnd(20),
      "hashing".padEnd(36),
      "ours /s",
      "bare /s",
      "ratio",
      "min",
      "max",
      `target ≥ ${target}`,
    ].join("  "),
  )
  for (const [index, hashing] of hashings.entries()) await measureRealm(`bench-${index}`, hashing)
} finally {
  await keycloak.stop()
}

async function measureRealm(realm: string, hashing: Hashing): Promise<void> {
  await keycloak.importRealm({
    ...realmFile,
    realm,
    passwordPolicy: hashing.passwordPolicy,
    bruteForceProtected: false,
  })
  const client = { realm, clientId: "shop-api", clientSecret: "change-me-in-production" }
  const gate = createGate({ serverUrl: keycloak.url, ...client })
  const bare = await createBare(keycloak, client)
  report(
    "registerUser",
    hashing,
    await compare(
      index => register(gate, index),
      index => bare.register(index),
    ),
  )
  report(
    "loginWithPassword",
    hashing,
    await compare(
      () => login(gate),
      () => bare.login(),
    ),
  )
  gate.close()
  await keycloak.deleteRealm(realm)
}

async function register(gate: Gate<null>, _: number): Promise<void> {
  await gate.registerUser(person())
}

async function login(gate: Gate<null>): Promise<void> {
  await gate.loginWithPassword(edith)
}

/** What somebody would write by hand, without a single check: one fetch, a token at hand, the body read. */
async function createBare(
  { url }: RunningKeycloak,
  { realm, clientId, clientSecret }: { realm: string; clientId: string; clientSecret: string },
) {
  const tokenUrl = `${url}/realms/${realm}/protocol/openid-connect/token`
  const headers = { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` }
  const grant = async (form: Record<string, string>) => {
    const answer = await fetch(tokenUrl, { method: "POST", headers, body: new URLSearchParams(form) })
    if (answer.status !== 200) throw new Error(`the token request answered ${answer.status}`)
    return (await answer.json()) as { access_token: string }
  }
  let token = await grant({ grant_type: "client_credentials" })
  return {
    async register(index: number): Promise<void> {
      if (index === 0) token = await grant({ grant_type: "client_credentials" })
      const { password, ...account } = person()
      const answer = await fetch(`${url}/admin/realms/${realm}/users`, {
        method: "POST",
        headers: { authorization: `Bearer ${token.access_token}`, "content-type": "application/json" },
        body: JSON.stringify({
          ...account,
          emailVerified: false,
          createdTimestamp: Date.now(),
          enabled: true,
          credentials: [{ type: "password", value: password, temporary: false }],
        }),
      })
      await answer.arrayBuffer()
      if (answer.status !== 201) throw new Error(`the Admin call answered ${answer.status}`)
    },
    async login(): Promise<void> {
      await grant({ grant_type: "password", ...edith })
    },
  }
}

type Work = (index: number) => Promise<void>

/** Operations per second of both, in rounds that take turns in going first; the first round of each is not counted. */
async function compare(ours: Work, bare: Work): Promise<{ ours: number; bare: number }[]> {
  const results: { ours: number; bare: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const first = round % 2 === 0 ? ours : bare
    const one = await perSecond(first)
    const other = await perSecond(first === ours ? bare : ours)
    if (round > 0) results.push(first === ours ? { ours: one, bare: other } : { ours: other, bare: one })
  }
  return results
}

async function perSecond(work: Work): Promise<number> {
  let next = 0
  const started = performance.now()
  const worker = async () => {
    while (next < perRound) await work(next++)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return perRound / ((performance.now() - started) / 1000)
}

function report(operation: string, { name }: Hashing, results: { ours: number; bare: number }[]): void {
  const ratios = results.map(({ ours, bare }) => ours / bare)
  const ratio = median(ratios)
  console.log(
    [
      operation.padEnd(20),
      name.padEnd(36),
      median(results.map(({ ours }) => ours))
        .toFixed(1)
        .padStart(7),
      median(results.map(({ bare }) => bare))
        .toFixed(1)
        .padStart(7),
      ratio.toFixed(2).padStart(5),
      Math.min(...ratios).toFixed(2),
      Math.max(...ratios).toFixed(2),
      ratio >= target ? "met" : "MISSED",
    ].join("  "),
  )
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
