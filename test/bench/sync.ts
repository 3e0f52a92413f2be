/**
 * `npm run bench:sync`: 10,000 accounts of a real Keycloak into a real PostgreSQL, with `syncUsers` and with nothing but
 * the same pages and the database's own bulk statement, in turn; and what `syncUsers` keeps in memory meanwhile.
 *
 * Ends with 1 only when it could not measure; a missed target is printed.
 */
import { randomUUID } from "node:crypto"
import { availableParallelism } from "node:os"
import { createGate, syncUsers } from "keycloak-gate"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { type RunningKeycloak, startKeycloak } from "../live/keycloak/start.ts"
import { spreadOf } from "./median.ts"
import { formatTable } from "./table.ts"

const few = 1000
const many = 10_000
const rounds = 3
const target = { ratio: 2, growthMB: 20 }

const pageSize = 200
const importAtOnce = 250
const clientId = "bench-sync"
const clientSecret = randomUUID()
const realm = `bench-sync-${randomUUID().slice(0, 8)}`

const bulk = `
  INSERT INTO app_user AS old (issuer, subject, username, email, email_verified, first_name, last_name, as_of)
  SELECT $1, subject, username, email, email_verified, first_name, last_name, $2
  FROM unnest($3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[])
    AS told (subject, username, email, email_verified, first_name, last_name)
  ON CONFLICT (issuer, subject) DO UPDATE SET
    username = excluded.username, email = excluded.email, email_verified = excluded.email_verified,
    first_name = excluded.first_name, last_name = excluded.last_name, as_of = excluded.as_of
  WHERE old.as_of <= excluded.as_of`

const { gc } = globalThis
if (gc === undefined) throw new Error("run it with node --expose-gc")
const keycloak = await startKeycloak({ log: line => console.log(line) })
const schema = await createTestSchema()
try {
  await keycloak.importRealm(benchRealm())
  await importAccounts(0, few)
  const ofFew = await heapPeak(few)
  console.log(`${few} accounts: ${ofFew.toFixed(1)} MB in use; importing ${many - few} more`)
  await importAccounts(few, many)
  const ofMany = await heapPeak(many)
  console.log(`${many} accounts: ${ofMany.toFixed(1)} MB in use`)
  const seconds: { bare: number; library: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? ([bare, library] as const) : ([library, bare] as const)
    const [one, other] = [await timed(first), await timed(second)]
    seconds.push(first === bare ? { bare: one, library: other } : { bare: other, library: one })
    const { bare: bareSeconds, library: librarySeconds } = seconds[round] ?? { bare: 0, library: 0 }
    console.log(
      `round ${round + 1} of ${rounds}: bare ${bareSeconds.toFixed(1)} s, syncUsers ${librarySeconds.toFixed(1)} s`,
    )
  }
  await report(seconds, ofMany - ofFew)
} finally {
  await schema.drop()
  if (keycloak.pid === null) await keycloak.deleteRealm(realm)
  await keycloak.stop()
}

async function library(): Promise<void> {
  const gate = makeGate(schema)
  const { saved } = await syncUsers(gate)
  gate.close()
  await assertRows(many, saved)
}

/** The same pages, without overlap, and one statement for each. */
async function bare(): Promise<void> {
  const issuer = `${keycloak.url}/realms/${realm}`
  const token = await serviceToken(keycloak)
  for (let first = 0; ; first += pageSize) {
    const url = `${keycloak.url}/admin/realms/${realm}/users?first=${first}&max=${pageSize}&briefRepresentation=true`
    const accounts = (await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()) as Account[]
    await schema.pool.query(bulk, [
      issuer,
      new Date(),
      ...(["id", "username", "email", "emailVerified", "firstName", "lastName"] as const).map(name =>
        accounts.map(account => account[name]),
      ),
    ])
    if (accounts.length < pageSize) return assertRows(many)
  }
}

interface Account {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly emailVerified: boolean
  readonly firstName: string
  readonly lastName: string
}

/** Each begins with an empty table. */
async function timed(work: () => Promise<void>): Promise<number> {
  await schema.pool.query("TRUNCATE app_user")
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

/** The most that is in use after any page of a run, garbage left aside; in MB. */
async function heapPeak(accounts: number): Promise<number> {
  const gate = makeGate(schema)
  let peak = 0
  await syncUsers(gate, {
    onProgress() {
      gc?.()
      peak = Math.max(peak, process.memoryUsage().heapUsed)
    },
  })
  gate.close()
  await assertRows(accounts)
  return peak / 1e6
}

async function assertRows(expected: number, saved = expected): Promise<void> {
  const { rows } = await schema.pool.query<{ count: string }>("SELECT count(*) FROM app_user")
  if (Number(rows[0]?.count) !== expected || saved !== expected) {
    throw new Error(`expected ${expected} rows, there are ${rows[0]?.count}`)
  }
}

async function importAccounts(from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += importAtOnce) {
    const users = Array.from({ length: importAtOnce }, (_, index) => {
      const username = `p${String(first + index).padStart(6, "0")}`
      return { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace", enabled: true }
    })
    await keycloak.adminFetch("POST", `/realms/${realm}/partialImport`, { ifResourceExists: "FAIL", users })
  }
}

function makeGate({ pool }: TestSchema) {
  const userStore = createPostgresStore(pool)
  return createGate({ serverUrl: keycloak.url, realm, clientId, clientSecret, userStore, timeoutMs: 60_000 })
}

async function serviceToken({ url }: RunningKeycloak): Promise<string> {
  const answer = await fetch(`${url}/realms/${realm}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret }),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

async function report(seconds: readonly { bare: number; library: number }[], growthMB: number): Promise<void> {
  const { body } = await keycloak.adminFetch("GET", "/serverinfo")
  const { version } = (body as { systemInfo: { version: string } }).systemInfo
  const ratio = spreadOf(seconds.map(round => round.library / round.bare))
  const perSecond = (name: "bare" | "library") => many / spreadOf(seconds.map(round => round[name])).median
  const verdict = (value: number, most: number) => (value <= most ? "met" : "missed")
  console.log(
    `\nKeycloak ${version}, PostgreSQL, Node ${process.version}, ${availableParallelism()} cores, all on one machine.`,
  )
  console.log(
    `${many} accounts, pages of ${pageSize}, ${rounds} rounds of both in turn; median, lowest and highest round.\n`,
  )
  const rows = [
    [
      "time of syncUsers ÷ the same pages bare and one bulk statement for each",
      `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)}–${ratio.highest.toFixed(2)})`,
      `${target.ratio} ${verdict(ratio.median, target.ratio)}`,
    ],
    [
      "accounts per second, syncUsers : bare",
      `${perSecond("library").toFixed(0)} : ${perSecond("bare").toFixed(0)}`,
      "–",
    ],
    [
      `heap in use, ${many} accounts against ${few}`,
      `${growthMB >= 0 ? "+" : ""}${growthMB.toFixed(1)} MB`,
      `${target.growthMB} MB ${verdict(growthMB, target.growthMB)}`,
    ],
  ]
  console.log(formatTable(["what", "measured", "at most"], rows))
}

/** One client that may see accounts, and nothing else that Keycloak does not bring along. */
function benchRealm() {
  return {
    realm,
    enabled: true,
    sslRequired: "none",
    accessTokenLifespan: 900,
    clients: [{ clientId, secret: clientSecret, publicClient: false, serviceAccountsEnabled: true }],
    users: [
      {
        username: `service-account-${clientId}`,
        enabled: true,
        serviceAccountClientId: clientId,
        clientRoles: { "realm-management": ["view-users"] },
      },
    ],
  }
}
