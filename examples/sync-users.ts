/**
 * Takes all accounts of a realm into the table, and reports or removes the rows whose account is gone.
 *
 * Usage: node examples/sync-users.ts [--remove [--max-missing <rows>]] [--cursor <cursor of a run that was stopped>]
 * Keycloak comes from `KEYCLOAK_URL`, `KEYCLOAK_REALM`, `KEYCLOAK_CLIENT_ID` and `KEYCLOAK_CLIENT_SECRET`, the table
 * from `PG_URL`, `MARIADB_URL` or `SQLITE_FILE`.
 */
import { parseArgs } from "node:util"
import { SingleBar } from "cli-progress"
import { createGate, optionsFromEnv, type SyncProgress, syncUsers } from "keycloak-gate"
import { openStore } from "./stores/open-store.ts"

const { values } = parseArgs({
  options: { remove: { type: "boolean" }, "max-missing": { type: "string" }, cursor: { type: "string" } },
})
const maxMissing = values["max-missing"]
const { name, userStore, close } = await openStore(process.env)
const gate = createGate({ ...optionsFromEnv(process.env), userStore })

// Ctrl-C ends after the saves that have begun, so that the cursor below is right.
const interruption = new AbortController()
process.once("SIGINT", () => interruption.abort(new Error("Interrupted.")))

const bar = new SingleBar({
  format: "{bar} {value} of {total} accounts · {checked} rows checked, {missing} without account",
})
let last: SyncProgress | null = null

function show(progress: SyncProgress): void {
  const { saved, total, checked, missing } = progress
  if (last === null) bar.start(total, 0, { checked, missing })
  bar.update(saved, { checked, missing })
  last = progress
}

try {
  const { saved, missing } = await syncUsers(gate, {
    onMissing: values.remove ? "remove" : "report",
    maxMissing: maxMissing === undefined ? undefined : Number(maxMissing),
    cursor: values.cursor,
    signal: interruption.signal,
    onProgress: show,
  })
  bar.stop()
  console.log(`${saved} rows in ${name}; ${missing} rows ${values.remove ? "removed" : "have no account any more"}.`)
} catch (error) {
  bar.stop()
  const { message, cursor } = error as Error & { cursor?: string }
  console.error(message)
  if (cursor) console.error(`Go on with --cursor ${cursor}`)
  process.exitCode = 1
} finally {
  gate.close()
  await close()
}
