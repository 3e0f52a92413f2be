import { describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions, memoryUserStore, type Registration } from "../../src/index.js"
import { outagesFor } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { startFaultyServer } from "../support/faulty-server.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

const timeoutMs = 3000
/** Time for two requests one after the other, and for a machine with other things to do. */
const withinMs = timeoutMs * 6

interface World {
  readonly realm: FaultyRealm
  readonly gate: Gate<unknown>
  /** Of a session that began before anything broke. */
  readonly refreshToken: string
  /** Nobody has registered this one yet. */
  readonly person: Registration
}

/** What is done, where the outage is in its way, and what went well before it. */
interface Situation {
  readonly verb: string
  readonly at?: RegExp
  readonly before?: (world: World) => Promise<unknown>
  readonly work: (world: World) => Promise<unknown>
  /** What works afterwards; default the same work. */
  readonly healed?: (world: World) => Promise<unknown>
  readonly options?: Partial<GateOptions<unknown>>
  /** Must not be sent twice, whatever becomes of it. */
  readonly isSentOnce?: true
}

const ada = { username: "ada", password: secrets.password }
const verify = async ({ gate, realm }: World) => gate.verifyBearer(`Bearer ${await realm.mint()}`, {})
async function register({ gate, realm, person }: World): Promise<void> {
  const { subject } = await gate.registerUser(person)
  expect(realm.users().filter(({ username }) => username === person.username)).toMatchObject([{ id: subject }])
}

/** An account whose create was answered too late is its person's. */
async function registerOrLogIn(world: World): Promise<void> {
  await register(world).catch(({ code }) => expect(code).toBe("user_exists"))
  await world.gate.loginWithPassword({ username: world.person.username ?? "", password: world.person.password })
}

const situations: readonly Situation[] = [
  { verb: "verifyBearer, asking for the first keys", at: paths.certs, work: verify },
  {
    verb: "verifyBearer in the mode introspection",
    at: paths.introspection,
    work: verify,
    options: { verification: "introspection" },
  },
  {
    verb: "verifyBearer in the mode userinfo",
    at: paths.userinfo,
    before: verify,
    work: verify,
    options: { verification: "userinfo" },
  },
  { verb: "loginWithPassword", at: paths.token, work: ({ gate }) => gate.loginWithPassword(ada), isSentOnce: true },
  { verb: "refreshSession", at: paths.token, work: ({ gate, refreshToken }) => gate.refreshSession(refreshToken) },
  { verb: "logout", at: paths.logout, work: ({ gate, refreshToken }) => gate.logout(refreshToken) },
  { verb: "registerUser, asking for its service token", at: paths.token, work: register },
  { verb: "registerUser, reading the user profile", at: paths.profile, work: register },
  { verb: "registerUser, reading the realm", at: paths.realm, work: register },
  {
    verb: "registerUser, creating the account",
    at: paths.create,
    // Against the realm's password policy: gets as far as the create, and leaves nothing.
    before: async ({ gate, person }) => {
      const error = await refusalOf(gate.registerUser({ ...person, password: "a" }))
      expect(error.code).toBe("account_rejected")
    },
    work: register,
    healed: registerOrLogIn,
  },
  { verb: "ready()", work: ({ gate }) => gate.ready() },
  { verb: "ready(), asking for keys", at: paths.certs, work: ({ gate }) => gate.ready({ uses: ["verifyBearer"] }) },
]

let people = 0
function newPerson(): Registration {
  const username = `person-${people++}`
  const names = { firstName: "Ada", lastName: "Lovelace" }
  return { username, email: `${username}@example.test`, ...names, password: secrets.password }
}

async function inWorld(options: Situation["options"], test: (world: World) => Promise<void>): Promise<void> {
  const realm = await startFaultyRealm()
  const base = { ...realm.gateOptions, userStore: memoryUserStore(), onEvent: () => undefined }
  const earlier = createGate(base)
  const { refreshToken } = await earlier.loginWithPassword(ada)
  earlier.close()
  const gate: Gate<unknown> = createGate({ ...base, timeoutMs, ...options } as GateOptions<unknown>)
  try {
    await test({ realm, gate, refreshToken, person: newPerson() })
  } finally {
    gate.close()
    await realm.close()
  }
}

describe.concurrent.each(situations)(
  "$verb",
  { timeout: 60_000 },
  ({ at, before, work, healed = work, options, isSentOnce }) => {
    // CWE-400: fetch has no limit of its own (jose read 400 MB), and get-jwks hands it a time limit that it ignores;
    // RFC 9110 §15.6.4: none of these is a bad token
    it.each(outagesFor(2 * timeoutMs, "http://127.0.0.1:9"))("answers 503 when Keycloak $name, and heals", outage =>
      inWorld(options, async world => {
        await before?.(world)
        await outage.begin(world.realm, { at })
        const asked = world.realm.requests(at)

        const { ms, result: error } = await inOwnTime(refusalOf(work(world)))
        expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
        expect(ms).toBeLessThan(withinMs)
        if (isSentOnce) expect(world.realm.requests(at) - asked).toBeLessThanOrEqual(1)
        const refusal = world.gate.refusalFor(error)
        expect(refusal).toMatchObject({ status: 503, body: { error: "keycloak_unavailable" } })
        expect(refusal?.headers["WWW-Authenticate"]).toBeUndefined()
        expect(refusal?.headers["Retry-After"] ?? "").toMatch(outage.retryAfter)

        await world.realm.heal()
        await healed(world)
      }),
    )

    // SSRF, RFC 9700 §4.12: keys and passwords go to the configured address only
    it("does not follow a redirect to another origin", () =>
      inWorld(options, async world => {
        const elsewhere = await startFaultyServer(() => ({ status: 200, body: "{}" }))
        await before?.(world)
        const redirect = outagesFor(0, elsewhere.url).find(({ name }) => name.includes("302"))
        await redirect?.begin(world.realm, { at })
        await refusalOf(work(world))
        expect(elsewhere.requests()).toBe(0)
        await elsewhere.close()
      }))
  },
)
