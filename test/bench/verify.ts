/**
 * `npm run bench:verify`, or `node test/bench/verify.ts --quick` once it is built: what it costs to verify a token, beside the bare signature check and beside jose, in under
 * 40 seconds; for whoever works on the verifier.
 */

import { measureInRounds, type Result, type Scenario } from "./rounds.ts"
import { formatTable } from "./table.ts"
import { type Algorithm, algorithms, serveRealm } from "./token-set.ts"

const quick = process.argv.includes("--quick")
const turnMs = quick ? 100 : 250
const rounds = quick ? 5 : 11

const served = await serveRealm(line => console.log(line))
try {
  for (const alg of algorithms) {
    print(alg, await measureInRounds([...cold(alg), ...(alg === "RS256" ? hits() : [])], rounds))
  }
} finally {
  await served.close()
}

function cold(alg: Algorithm): Scenario[] {
  const common = { alg, tokenCount: 2000, inFlight: 64, meets: "any tokens", turnMs } as const
  const gate = { ...common, module: "./contestants/keycloak-gate.ts" }
  return [
    { ...common, name: "raw crypto.verify", module: "./contestants/raw.ts", setUp: "raw" },
    { ...common, name: "jose", module: "./contestants/jose.ts", setUp: "local" },
    { ...gate, name: "keycloak-gate, no cache", setUp: "withoutCache" },
    { ...gate, name: "keycloak-gate, first sight", setUp: "withCache", tokenCount: 10_000, meets: "new tokens" },
  ]
}

function hits(): Scenario[] {
  return [10_000, 100_000].map(tokenCount => ({
    name: `keycloak-gate, hit among ${tokenCount}`,
    module: "./contestants/keycloak-gate.ts",
    setUp: "withCache",
    alg: "RS256",
    tokenCount,
    inFlight: 1,
    meets: "known tokens",
    turnMs,
  }))
}

function print(alg: Algorithm, results: readonly Result[]): void {
  const rows = results.map(({ name, main, all, ratio }) => [
    name,
    main.median.toFixed(2),
    all.median.toFixed(2),
    `${ratio.median.toFixed(3)} (${ratio.lowest.toFixed(3)}–${ratio.highest.toFixed(3)})`,
  ])
  console.log(formatTable([alg, "main, µs", "all threads, µs", "main ÷ raw"], rows))
}
