/**
 * `npm run bench:verify`, or `node test/bench/verify.ts --quick` once it is built: what it costs to verify a token, beside
 * the bare signature check and jose, in less than 40 seconds on a quiet machine; for whoever works on the verifier.
 *
 * Without `--quick`: beside everybody, as `npm run bench` measures it.
 */
import { columnsTable } from "./columns-table.ts"
import { installPeers } from "./install.ts"
import { serveRealm } from "./token-set.ts"
import { measureCold, measureHits } from "./verification.ts"

const quick = process.argv.includes("--quick")
if (!quick) installPeers()
const bounds = quick ? { rounds: 5, seconds: 8 } : { rounds: 11, seconds: 30 }
const turnMs = quick ? 100 : 250

const served = await serveRealm(line => console.log(line))
try {
  console.log(columnsTable(await measureHits(bounds, turnMs, { quick })))
  const cold = await measureCold(bounds, turnMs, { quick })
  console.log(columnsTable(cold, cold[0]))
} finally {
  await served.close()
}
