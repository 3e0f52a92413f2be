/**
 * `npm run bench:verify`, or `node test/bench/verify.ts --quick` once it is built: what it costs to verify a token, beside
 * the bare signature check and jose, in less than 40 seconds on a quiet machine; for whoever works on the verifier.
 *
 * Without `--quick`: beside everybody, as `npm run bench` measures it.
 */
import { columnsTable } from "./columns-table.ts"
import { installPeers } from "./install.ts"
import { mintTokens } from "./mint-tokens.ts"
import { serveRealm } from "./served-realm.ts"
import { measureCold, measureHits } from "./verification.ts"

const quick = process.argv.includes("--quick")
if (!quick) installPeers()
const bounds = quick ? { rounds: 5, seconds: 8 } : { rounds: 11, seconds: 30 }
const turnMs = quick ? 100 : 250

await mintTokens(line => console.log(line))
const served = await serveRealm()
try {
  console.log(columnsTable(await measureHits(bounds, turnMs, { quick })))
  const cold = await measureCold(bounds, turnMs, { quick })
  console.log(columnsTable(cold, cold[0]))
} finally {
  await served.close()
}
