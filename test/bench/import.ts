/**
 * `npm run bench:import`: people with Django hashes out of a real PostgreSQL into a real Keycloak, with `importUsers` and with
 * nothing but the same creates, in turn; and what `importUsers` keeps in memory meanwhile. `--people 1000` for fewer of them.
 *
 * Ends with 1 only when it could not measure; a missed target is printed.
 */
import { randomUUID } from "node:crypto"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { createGate, type ImportPerson, importUsers, parseDjangoHash } from "keycloak-gate"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { createTestSchema } from "../examples/postgres.ts"
import { startKeycloak } from "../live/keycloak/start.ts"
import { djangoHashers } from "../support/old-hashes.ts"
import { spreadOf } from "./median.ts"
import { formatTable } from "./table.ts"

const { values } = parseArgs({ options: { people: { type: "string", default: "5000" } } })
const people = Number(values.people)
const rounds = 3
const atOnce = 8
const samples = 10
const target = { ratio: 2.5, growthMB: 20 }
const password = "old-Passw0rd"
const hashes = Object.values(djangoHashers).map(hasher => hasher(password))

const clientId = "bench-import"
const clientSecret = randomUUID()
const realm = `bench-import-${randomUUID().slice(0, 8)}`

const { gc } = globalThis
if (gc === undefined) throw new Error("run it with node --expose-gc")
const keycloak = await startKeycloak({ log: line => console.log(line) })
const schema = await createTestSchema()
const { pool } = schema
const gate = createGate({
  ...{ serverUrl: keycloak.url, realm, clientId, clientSecret, timeoutMs: 60_000 },
  userStore: createPostgresStore(pool),
})
try {
  await keycloak.importRealm(benchRealm())
  await makeRows("warm", 200)
  await importUsers(gate, rowsOf("warm"))
  await bare("warm-up", 200)
  const seconds: { bare: number; library: number }[] = []
  for (let round = 0; round < rounds; round++) {
    await makeRows(`round${round}`, people)
    const bareSeconds = () => timed(() => bare(`bare${round}`, people))
    const librarySeconds = () => timed(() => library(`round${round}`))
    const isBareFirst = round % 2 === 0
    const first = await (isBareFirst ? bareSeconds() : librarySeconds())
    const second = await (isBareFirst ? librarySeconds() : bareSeconds())
    const [ofBare, ofLibrary] = isBareFirst ? [first, second] : [second, first]
    seconds.push({ bare: ofBare, library: ofLibrary })
    await assertLinked(`round${round}`)
    console.log(`round ${round + 1} of ${rounds}: bare ${ofBare.toFixed(1)} s, importUsers ${ofLibrary.toFixed(1)} s`)
  }
  await report(seconds, await heapGrowth())
} finally {
  await gate.close()
  await schema.drop()
  if (keycloak.pid === null) await keycloak.deleteRealm(realm)
  await keycloak.stop()
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

async function library(prefix: string): Promise<void> {
  const { created } = await importUsers(gate, rowsOf(prefix), { concurrency: atOnce })
  if (created !== people) throw new Error(`${created} of ${people} were created`)
}

/** What is in use after the last person of a run, against that after the first tenth, garbage left aside; in MB. */
async function heapGrowth(): Promise<number> {
  await makeRows("heap", people)
  const used: number[] = []
  let done = 0
  await importUsers(gate, rowsOf("heap"), {
    onProgress() {
      done += 1
      if (done % Math.ceil(people / 10) !== 0) return
      gc?.()
      used.push(process.memoryUsage().heapUsed / 1e6)
    },
  })
  return (used.at(-1) ?? 0) - (used[0] ?? 0)
}

/** The creates alone, as many at once. */
async function bare(prefix: string, count: number): Promise<void> {
  const token = await gateToken()
  let next = 0
  async function work(): Promise<void> {
    for (let index = next++; index < count; index = next++) {
      const { algorithm, iterations, salt, value, argon2 } = hashOf(index) ?? {}
      const additionalParameters = argon2 && {
        ...{ hashLength: ["32"], memory: [String(argon2.memory)], type: [argon2.type], version: [argon2.version] },
        parallelism: [String(argon2.parallelism)],
      }
      const credentialData = { hashIterations: iterations, algorithm, ...(argon2 && { additionalParameters }) }
      const answer = await fetch(`${keycloak.url}/admin/realms/${realm}/users`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({
          ...namesOf(prefix, index),
          enabled: true,
          credentials: [
            {
              type: "password",
              secretData: JSON.stringify({ value, salt }),
              credentialData: JSON.stringify(credentialData),
            },
          ],
        }),
      })
      await answer.arrayBuffer()
      if (answer.status !== 201) throw new Error(`a create: ${answer.status}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

async function gateToken(): Promise<string> {
  const answer = await fetch(`${keycloak.url}/realms/${realm}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret }),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

function hashOf(index: number) {
  return parseDjangoHash(hashes[index % hashes.length])
}

function namesOf(prefix: string, index: number) {
  const username = `${prefix}-${String(index).padStart(6, "0")}`
  return { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace" }
}

async function makeRows(prefix: string, count: number): Promise<void> {
  await pool.query(
    `INSERT INTO app_user (username, email, plan)
     SELECT name, name || '@example.test', 'old'
     FROM (SELECT $1 || '-' || lpad((n - 1)::text, 6, '0') AS name FROM generate_series(1, $2::int) AS n) AS names`,
    [prefix, count],
  )
}

/** The rows without subject, a hundred at a time. */
async function* rowsOf(prefix: string): AsyncGenerator<ImportPerson> {
  for (let after = "0"; ; ) {
    const { rows } = await pool.query<{ id: string; username: string; email: string }>(
      "SELECT id, username, email FROM app_user WHERE username LIKE $1 AND subject IS NULL AND id > $2 ORDER BY id LIMIT 100",
      [`${prefix}-%`, after],
    )
    for (const { id, username, email } of rows) {
      const password = hashOf(Number(username.split("-")[1]))
      yield { key: id, username, email, firstName: "Ada", lastName: "Lovelace", password }
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.id
  }
}

/** Every row has its subject, and somebody of each kind of hash logs in to the row of old. */
async function assertLinked(prefix: string): Promise<void> {
  const { rows } = await pool.query<{ linked: string; subjects: string }>(
    "SELECT count(subject) AS linked, count(DISTINCT subject) AS subjects FROM app_user WHERE username LIKE $1",
    [`${prefix}-%`],
  )
  if (Number(rows[0]?.linked) !== people || Number(rows[0]?.subjects) !== people)
    throw new Error(`${rows[0]?.linked} of ${people} rows are linked`)
  for (let index = 0; index < samples; index++) {
    const { accessToken } = await gate.loginWithPassword({ ...namesOf(prefix, index), password })
    const principal = await gate.verifyBearer(`Bearer ${accessToken}`, {})
    if (principal.kind !== "user" || principal.user.plan !== "old") throw new Error("another row than that of old")
  }
}

async function report(seconds: readonly { bare: number; library: number }[], growthMB: number): Promise<void> {
  const { body } = await keycloak.adminFetch("GET", "/serverinfo")
  const { version } = (body as { systemInfo: { version: string } }).systemInfo
  const ratio = spreadOf(seconds.map(round => round.library / round.bare))
  const perSecond = (name: "bare" | "library") => people / spreadOf(seconds.map(round => round[name])).median
  const verdict = (value: number, most: number) => (value <= most ? "met" : "missed")
  console.log(
    `\nKeycloak ${version}, PostgreSQL, Node ${process.version}, ${availableParallelism()} cores, all on one machine.`,
  )
  console.log(
    `${people} people, ${atOnce} at once, ${rounds} rounds of both in turn; median, lowest and highest round.\n`,
  )
  const rows = [
    [
      "time of importUsers ÷ the creates alone",
      `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)}–${ratio.highest.toFixed(2)})`,
      `${target.ratio} ${verdict(ratio.median, target.ratio)}`,
    ],
    [
      "people per second, importUsers : creates",
      `${perSecond("library").toFixed(0)} : ${perSecond("bare").toFixed(0)}`,
      "–",
    ],
    [
      "heap in use at the end, against that of the first tenth",
      `${growthMB >= 0 ? "+" : ""}${growthMB.toFixed(1)} MB`,
      `${target.growthMB} MB ${verdict(growthMB, target.growthMB)}`,
    ],
  ]
  console.log(formatTable(["what", "measured", "at most"], rows))
}

/** One client that may make accounts and log people in. */
function benchRealm() {
  return {
    realm,
    enabled: true,
    sslRequired: "none",
    accessTokenLifespan: 3600,
    clients: [
      {
        ...{ clientId, secret: clientSecret, publicClient: false, serviceAccountsEnabled: true },
        directAccessGrantsEnabled: true,
        protocolMappers: [
          {
            ...{ name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper" },
            config: { "included.client.audience": clientId, "access.token.claim": "true" },
          },
        ],
      },
    ],
    users: [
      {
        username: `service-account-${clientId}`,
        enabled: true,
        serviceAccountClientId: clientId,
        clientRoles: { "realm-management": ["manage-users"] },
      },
    ],
  }
}
