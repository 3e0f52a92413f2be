/**
 * `npm run bench -- --accounts`: what registration and login cost on top of the bare requests that they make, on a real
 * Keycloak.
 *
 * Ends with 1 only when it could not measure; a missed target is printed.
 */
import { randomUUID } from "node:crypto"
import { availableParallelism, cpus } from "node:os"
import { createGate } from "keycloak-gate"
import { type RunningKeycloak, startKeycloak } from "../live/keycloak/start.ts"
import { type Comparison, compare, inFlight } from "./compare.ts"

const withinSeconds = 150
const target = 0.9

const realm = `bench-${randomUUID().slice(0, 8)}`
const clientId = "bench-app"
const clientSecret = randomUUID()
const password = `Aa1!${randomUUID()}`
const hashings = [
  { name: "argon2, Keycloak's default of 5 iterations", passwordPolicy: "" },
  { name: "argon2, hashIterations(1)", passwordPolicy: "hashIterations(1)" },
]

const keycloak = await startKeycloak({ log: line => console.log(line) })
const startedAt = performance.now()
try {
  await keycloak.importRealm(benchRealm())
  const rows: Row[] = []
  for (const [index, { name: hashing, passwordPolicy }] of hashings.entries()) {
    await keycloak.adminFetch("PUT", `/realms/${realm}`, { passwordPolicy })
    const left = 2 * (hashings.length - index)
    const { created, comparison } = await compareRegistering(keycloak, secondsFor(left))
    rows.push({ what: "registerUser : POST …/users", setting: hashing, target, comparison })
    const logins = await compareLogin(keycloak, created, secondsFor(left - 1))
    rows.push({ what: "loginWithPassword : POST …/token", setting: hashing, target, comparison: logins })
  }
  printAll(await keycloakVersion(keycloak), rows)
} finally {
  if (keycloak.pid === null) await keycloak.deleteRealm(realm)
  await keycloak.stop()
}

interface Row {
  readonly what: string
  readonly setting: string
  readonly target: number
  readonly comparison: Comparison
}

/** A fair part of the time that is left, for one of this many comparisons. */
function secondsFor(comparisonsLeft: number): number {
  const left = withinSeconds - (performance.now() - startedAt) / 1000
  return Math.min(25, (left - 15) / comparisonsLeft)
}

async function compareRegistering(
  { url }: RunningKeycloak,
  seconds: number,
): Promise<{ created: string[]; comparison: Comparison }> {
  const gate = createGate({ serverUrl: url, realm, clientId, clientSecret, timeoutMs: 60_000 })
  const { access_token } = await grant(url, { grant_type: "client_credentials" })
  const created: string[] = []

  async function withLibrary(): Promise<void> {
    const { username } = await gate.registerUser(newPerson())
    created.push(username)
  }
  async function bare(): Promise<void> {
    const { password: value, ...person } = newPerson()
    const answer = await fetch(`${url}/admin/realms/${realm}/users`, {
      method: "POST",
      headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
      // What the library sends, member by member.
      body: JSON.stringify({
        ...person,
        emailVerified: false,
        createdTimestamp: Date.now(),
        enabled: true,
        credentials: [{ type: "password", value, temporary: false }],
      }),
    })
    await answer.arrayBuffer()
    if (answer.status !== 201) throw new Error(`the bare Admin call was answered with ${answer.status}`)
  }

  const comparison = await compare({ bare, withLibrary }, { seconds, maxRounds: 25 })
  gate.close()
  return { created, comparison }
}

async function compareLogin({ url }: RunningKeycloak, usernames: string[], seconds: number): Promise<Comparison> {
  const gate = createGate({ serverUrl: url, realm, clientId, clientSecret, timeoutMs: 60_000 })
  const names = usernames.slice(-inFlight)
  let turn = 0
  const nextName = () => names[turn++ % names.length] ?? ""

  const comparison = await compare(
    {
      withLibrary: () => gate.loginWithPassword({ username: nextName(), password }),
      bare: () => grant(url, { grant_type: "password", username: nextName(), password }),
    },
    { seconds, maxRounds: 25 },
  )
  gate.close()
  return comparison
}

function printAll(version: string, rows: readonly Row[]): void {
  const { model = "unknown" } = cpus()[0] ?? {}
  const cores = `${availableParallelism()} cores (${model.trim()})`
  const head = ["library : bare", "password hashing", "per second", "ratio", "rounds", "target"]
  const cells = rows.map(({ what, setting, target, comparison }) => {
    const { bare, library, ratio, rounds } = comparison
    const digits = library < 1000 ? 1 : 0
    return [
      what,
      setting,
      `${library.toFixed(digits)} : ${bare.toFixed(digits)}`,
      `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)}–${ratio.highest.toFixed(2)})`,
      String(rounds),
      `${target} ${ratio.median >= target ? "met" : "missed"}`,
    ]
  })
  const widths = head.map((_, column) => Math.max(...[head, ...cells].map(row => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()

  console.log(`\nKeycloak ${version}, Node ${process.version}, ${cores}, everything on one machine.`)
  console.log(`${inFlight} in flight, same payload, same connections (Node's fetch), rounds of both in turn.`)
  console.log("Medians; in brackets the lowest and the highest single round.\n")
  for (const row of [head, ...cells]) console.log(line(row))
}

async function grant(url: string, parameters: Record<string, string>): Promise<{ access_token: string }> {
  const answer = await fetch(`${url}/realms/${realm}/protocol/openid-connect/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams(parameters),
  })
  if (answer.status !== 200) throw new Error(`the bare token request was answered with ${answer.status}`)
  return (await answer.json()) as { access_token: string }
}

async function keycloakVersion({ adminFetch }: RunningKeycloak): Promise<string> {
  const { body } = await adminFetch("GET", "/serverinfo")
  return (body as { systemInfo?: { version?: string } }).systemInfo?.version ?? "of unknown version"
}

function newPerson() {
  const username = `bench-${randomUUID()}`
  return { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace", password }
}

/** One client that may do everything here, its audience mapper, and nothing else that Keycloak does not bring along. */
function benchRealm() {
  const audience = {
    name: "audience",
    protocol: "openid-connect",
    protocolMapper: "oidc-audience-mapper",
    config: { "included.client.audience": clientId, "access.token.claim": "true" },
  }
  return {
    realm,
    enabled: true,
    sslRequired: "none",
    // Tokens have to live as long as this program.
    accessTokenLifespan: 900,
    clients: [
      {
        clientId,
        secret: clientSecret,
        publicClient: false,
        standardFlowEnabled: false,
        directAccessGrantsEnabled: true,
        serviceAccountsEnabled: true,
        protocolMappers: [audience],
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
