import { beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions, memoryUserStore } from "../../src/index.js"
import { outagesFor } from "../support/faults.ts"
import { startFaultyServer } from "../support/faulty-server.ts"
import { type Issuer, paths, startIssuer } from "../support/issuer.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

const timeoutMs = 1500
/** Time for two requests one after the other, and for a machine with other things to do. */
const withinMs = timeoutMs * 6

interface World {
  readonly issuer: Issuer
  readonly gate: Gate<unknown>
}

/** What is done, where the outage is in its way, and what went well before it. */
interface Situation {
  readonly verb: string
  readonly at?: RegExp
  readonly before?: (world: World) => Promise<unknown>
  readonly work: (world: World) => Promise<unknown>
  readonly options?: Partial<GateOptions<unknown>>
}

const refreshToken = ({ issuer }: World) => issuer.mint({ claims: { typ: "Refresh" } })
const verify = async ({ gate, issuer }: World) => gate.verifyBearer(`Bearer ${await issuer.mint()}`, {})
const person = {
  username: "ada",
  email: secrets.email,
  firstName: "Ada",
  lastName: "Lovelace",
  password: secrets.password,
}
const register = ({ gate }: World) => gate.registerUser(person)

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
  {
    verb: "loginWithPassword",
    at: paths.token,
    work: ({ gate }) => gate.loginWithPassword({ username: "ada", password: secrets.password }),
  },
  {
    verb: "refreshSession",
    at: paths.token,
    work: async world => world.gate.refreshSession(await refreshToken(world)),
  },
  { verb: "logout", at: paths.logout, work: async world => world.gate.logout(await refreshToken(world)) },
  { verb: "registerUser, asking for its service token", at: paths.token, work: register },
  { verb: "registerUser, reading the user profile", at: paths.profile, work: register },
  { verb: "registerUser, reading the realm", at: paths.realm, work: register },
  { verb: "ready()", work: ({ gate }) => gate.ready() },
  { verb: "ready(), asking for keys", at: paths.certs, work: ({ gate }) => gate.ready({ uses: ["verifyBearer"] }) },
]

// Loaded with the first registration, which takes seconds on a busy machine, and its time limit would pay for that.
beforeAll(async () => {
  await import("@keycloak/keycloak-admin-client")
}, 60_000)

async function inWorld(options: Situation["options"], test: (world: World) => Promise<void>): Promise<void> {
  const issuer = await startIssuer()
  const { url: serverUrl, realm, clientId, clientSecret } = issuer
  const userStore = memoryUserStore()
  const base = { serverUrl, realm, clientId, clientSecret, userStore, timeoutMs, onEvent: () => undefined }
  const gate: Gate<unknown> = createGate({ ...base, ...options } as GateOptions<unknown>)
  try {
    await test({ issuer, gate })
  } finally {
    gate.close()
    await issuer.close()
  }
}

describe.concurrent.each(situations)("$verb", ({ at, before, work, options }) => {
  it.each(outagesFor(2 * timeoutMs, "http://127.0.0.1:9"))("answers 503 when Keycloak $name, and heals", outage =>
    inWorld(options, async world => {
      await before?.(world)
      await outage.begin(world.issuer, { at })

      const started = performance.now()
      const error = await refusalOf(work(world))
      expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(performance.now() - started).toBeLessThan(withinMs)
      const refusal = world.gate.refusalFor(error)
      expect(refusal).toMatchObject({ status: 503, body: { error: "keycloak_unavailable" } })
      expect(refusal?.headers["WWW-Authenticate"]).toBeUndefined()
      expect(refusal?.headers["Retry-After"] ?? "").toMatch(outage.retryAfter)

      await world.issuer.heal()
      await work(world)
    }),
  )

  it("does not follow a redirect to another origin", () =>
    inWorld(options, async world => {
      const elsewhere = await startFaultyServer(() => ({ status: 200, body: "{}" }))
      await before?.(world)
      const redirect = outagesFor(0, elsewhere.url).find(({ name }) => name.includes("302"))
      await redirect?.begin(world.issuer, { at })
      await refusalOf(work(world))
      expect(elsewhere.requests()).toBe(0)
      await elsewhere.close()
    }))
})
