import { type Bounds, measureInRounds, type Result, type Scenario } from "./rounds.ts"
import { type Algorithm, algorithms } from "./token-set.ts"

export const raw = "one synchronous crypto.verify"
export const rawInThreadPool = "crypto.verify in the thread pool"
export const gateWithoutCache = "keycloak-gate, verifiedTokenCache: false"
export const gateAtFirstSight = "keycloak-gate, at first sight"

/** Who checks a token that nobody remembers. */
interface Verifier extends Pick<Scenario, "name" | "module" | "setUp"> {
  /** Default all. */
  readonly algorithms?: readonly Algorithm[]
  readonly meets?: Scenario["meets"]
}

const ours = "./contestants/keycloak-gate.ts"
const base: Verifier = { name: raw, module: "./contestants/raw.ts", setUp: "raw" }
const floor: Verifier = { name: rawInThreadPool, module: "./contestants/raw.ts", setUp: "inThreadPool" }
const jose: Verifier = { name: "jose, local key set", module: "./contestants/jose.ts", setUp: "local" }
const gate: readonly Verifier[] = [
  { name: gateWithoutCache, module: ours, setUp: "withoutCache" },
  { name: gateAtFirstSight, module: ours, setUp: "withCache", meets: "new tokens" },
]
const peers: readonly Verifier[] = [
  jose,
  { name: "jose, remote key set", module: "./contestants/jose.ts", setUp: "remote" },
  { name: "fast-jwt", module: "./peers/fast-jwt.ts", setUp: "withoutCache" },
  { name: "aws-jwt-verify", module: "./peers/aws-jwt-verify.ts", setUp: "withLocalKeys" },
  { name: "express-oauth2-jwt-bearer", module: "./peers/express-oauth2-jwt-bearer.ts", setUp: "bare" },
  // jsonwebtoken, behind it, has no EdDSA; keycloak-connect has RSA alone.
  {
    name: "express-jwt + jwks-rsa",
    module: "./peers/express-jwt.ts",
    setUp: "bare",
    algorithms: ["RS256", "ES256"],
  },
  { name: "keycloak-connect", module: "./peers/keycloak-connect.ts", setUp: "bare", algorithms: ["RS256"] },
]

/** Results of one column of the table of verification. */
export interface Column {
  readonly title: string
  readonly alg: Algorithm
  readonly inFlight: number
  readonly results: readonly Result[]
}

/** What a token costs that nobody remembers; quick: beside jose alone. */
export async function measureCold(bounds: Bounds, turnMs: number, { quick }: { quick: boolean }): Promise<Column[]> {
  const columns: Column[] = []
  for (const alg of algorithms) {
    for (const inFlight of alg === "RS256" && !quick ? [64, 1] : [64]) {
      const verifiers = [base, floor, ...gate, ...(quick ? [jose] : peers)].filter(({ algorithms = [alg] }) =>
        algorithms.includes(alg),
      )
      const scenarios = verifiers.map(({ name, module, setUp, meets = "any tokens" }) => ({
        name,
        module,
        setUp,
        alg,
        inFlight,
        meets,
        tokenCount: meets === "new tokens" ? 10_000 : 2000,
        turnMs,
      }))
      const title = `${alg}, ${inFlight === 1 ? "one at a time" : `${inFlight} in flight`}`
      columns.push({ title, alg, inFlight, results: await measureInRounds(scenarios, bounds) })
    }
  }
  return columns
}

export const tokenCounts = [10_000, 100_000] as const
export const headerAlone = "the header's string alone"
export const gateHit = "keycloak-gate"

/** What a token costs that was verified before, among so many others. */
export async function measureHits(bounds: Bounds, turnMs: number, { quick }: { quick: boolean }): Promise<Column[]> {
  const remembering: readonly Verifier[] = [
    { name: gateHit, module: ours, setUp: "withCache" },
    ...(quick ? [] : [{ name: "fast-jwt, cache", module: "./peers/fast-jwt.ts", setUp: "withCache" }]),
  ]
  const columns: Column[] = []
  const header = { name: headerAlone, module: "./contestants/nothing.ts", setUp: "nothing" }
  for (const tokenCount of tokenCounts) {
    const common = { alg: "RS256", inFlight: 1, turnMs } as const
    const scenarios = [
      { ...common, ...base, tokenCount: 2000, meets: "any tokens" as const },
      ...[header, ...remembering].map(one => ({ ...common, ...one, tokenCount, meets: "known tokens" as const })),
    ]
    const title = `among ${tokenCount.toLocaleString("en")} tokens`
    columns.push({ title, alg: "RS256", inFlight: 1, results: await measureInRounds(scenarios, bounds) })
  }
  return columns
}
