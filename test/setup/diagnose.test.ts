import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateError } from "../../src/index.js"
import { startTestRealm } from "../../src/testing/index.js"
import { answerWith, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<null>
beforeAll(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...realm.gateOptions, timeoutMs: 2000, onEvent: () => undefined })
})
afterEach(() => realm.heal())
afterAll(async () => {
  await gate.close()
  await realm.close()
})

const idsOf = async (work: ReturnType<Gate<null>["diagnose"]>) => (await work).findings.map(({ id }) => id)
const errorsOf = ({ cause }: GateError) => (cause as AggregateError).errors as readonly GateError[]

describe("ready()", () => {
  it("asks for nothing but the realm and its keys where an application only verifies", async () => {
    const before = realm.requests()
    await gate.ready({ uses: ["verifyBearer"] })
    expect(realm.requests() - before - realm.requests(paths.certs) - realm.requests(paths.discovery)).toBeLessThan(1)
    expect(realm.requests(paths.token)).toBe(0)
  })

  it("throws what diagnose() finds broken, in the same sentences", async () => {
    const wrong = createGate({ ...realm.gateOptions, clientSecret: "another", onEvent: () => undefined })
    const { findings } = await wrong.diagnose()
    const error = await refusalOf(wrong.ready())
    await wrong.close()
    const [{ id, what, why, mend } = expect.unreachable("nothing is broken")] = findings
    expect(id).toBe("secret-wrong")
    expect(error).toMatchObject({ code: "keycloak_refused_us", message: `${what} ${why} ${mend}` })
    expect(errorsOf(error).map(({ message }) => message)).toEqual([error.message])
  })

  it("is an outage that says when to come again where Keycloak says so", async () => {
    realm.breakWith(answerWith({ status: 503, headers: { "retry-after": "7" }, body: "" }))
    const error = await refusalOf(gate.ready())
    expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503, retryAfterSeconds: 7 })
  })

  it("is an outage where one of several findings is", async () => {
    realm.breakWith(answerWith({ status: 404, body: "<html></html>" }), { at: paths.certs })
    const wrong = createGate({ ...realm.gateOptions, clientSecret: "another", onEvent: () => undefined })
    const error = await refusalOf(wrong.ready())
    await wrong.close()
    expect(error.code).toBe("keycloak_unavailable")
    expect(error.message).toMatch(/^1\. Keycloak's keys can't be read.*\n2\. Keycloak knows the client/)
    expect(errorsOf(error).map(({ code }) => code)).toEqual(["keycloak_unavailable", "keycloak_refused_us"])
  })

  it("has the keys at hand afterwards", async () => {
    const fresh = createGate({ ...realm.gateOptions, onEvent: () => undefined })
    await fresh.ready()
    expect(fresh.health().keys).not.toBeNull()
    await fresh.close()
  })

  it("lets warnings pass", async () => {
    const careless = await startTestRealm({ clientSecret: "change-me-in-production" })
    const one = createGate({ ...careless.gateOptions, onEvent: () => undefined })
    await one.ready()
    expect(await idsOf(one.diagnose())).toEqual(["example-secret"])
    await one.close()
    await careless.stop()
  })
})

describe("diagnose()", () => {
  it("tells an outage alone, whatever else it would cause", async () => {
    for (const at of [paths.discovery, paths.token]) {
      realm.breakWith(reset, { at })
      expect(await idsOf(gate.diagnose({ probe: true }))).toEqual(["server-closes"])
      await realm.heal()
    }
  })

  it("looks at what was asked for", async () => {
    const wrong = createGate({ ...realm.gateOptions, clientSecret: "another", onEvent: () => undefined })
    expect(await idsOf(wrong.diagnose({ uses: ["verifyBearer"] }))).toEqual([])
    expect(await idsOf(wrong.diagnose({ uses: ["loginWithPassword"] }))).toEqual(["secret-wrong"])
    await wrong.close()
  })

  it("makes no person without being asked, and leaves none", async () => {
    const before = realm.users().length
    await gate.diagnose()
    expect(realm.requests(/^DELETE /)).toBe(0)
    expect(await gate.diagnose({ probe: true })).toEqual({ ok: true, findings: [] })
    expect(realm.requests(/^DELETE .*\/users\/[^/]+$/)).toBe(1)
    expect(realm.users().length).toBe(before)
  })

  it("removes the person whose creation was answered by nobody, by the stamp of the account", async () => {
    const before = realm.users().length
    // The first create is the empty one, which nobody can do.
    realm.breakWith(
      async ({ call, perform, send, socket }) => {
        const reply = await perform()
        if (call.body.includes("keycloak-gate-probe")) socket.destroy()
        else send(reply)
      },
      { at: paths.create },
    )
    expect(await idsOf(gate.diagnose({ probe: true }))).toEqual([])
    expect(realm.users().length).toBe(before)
  })

  it("is told which attributes each registration sends", async () => {
    const permissions = { view: ["user", "admin"], edit: ["user", "admin"] }
    const attributes = [
      ...["username", "email", "firstName", "lastName"].map(name => ({ name, permissions })),
      { name: "department", required: { roles: ["user"] }, permissions: { view: ["user"], edit: ["user", "admin"] } },
    ]
    const config = { "kc.user.profile.config": [JSON.stringify({ attributes })] }
    const strict = await startTestRealm({
      clientSecret: secrets.clientSecrets[0],
      realm: {
        realm: "strict",
        enabled: true,
        bruteForceProtected: true,
        components: {
          "org.keycloak.userprofile.UserProfileProvider": [{ providerId: "declarative-user-profile", config }],
        },
        clients: [
          {
            clientId: "shop-api",
            secret: secrets.clientSecrets[0],
            directAccessGrantsEnabled: true,
            serviceAccountsEnabled: true,
            protocolMappers: [
              {
                name: "audience",
                protocol: "openid-connect",
                protocolMapper: "oidc-audience-mapper",
                config: { "included.client.audience": "shop-api", "access.token.claim": "true" },
              },
            ],
          },
        ],
        users: [
          {
            username: "service-account-shop-api",
            enabled: true,
            serviceAccountClientId: "shop-api",
            clientRoles: { "realm-management": ["manage-users"] },
          },
        ],
      },
    } as never)
    const one = createGate({ ...strict.gateOptions, onEvent: () => undefined })
    expect(await idsOf(one.diagnose())).toEqual(["profile-requires-more"])
    expect(await idsOf(one.diagnose({ attributes: ["department"], probe: true }))).toEqual([])
    await one.ready({ attributes: ["department"] })
    expect(await idsOf(one.diagnose({ attributes: ["department", "nick"] }))).toEqual(["attribute-unknown"])
    await one.close()
    await strict.stop()
  })

  it("hands out what nobody can change", async () => {
    const wrong = createGate({ ...realm.gateOptions, realm: "shopp", onEvent: () => undefined })
    const diagnosis = await wrong.diagnose()
    await wrong.close()
    expect(diagnosis.ok).toBe(false)
    for (const one of [diagnosis, diagnosis.findings, ...diagnosis.findings]) expect(Object.isFrozen(one)).toBe(true)
  })

  it("refuses options that it does not know, and shows nothing of a password", async () => {
    const wrong = { probes: true, administrator: { username: "root", password: 1822_1815 } }
    const error = await refusalOf(gate.diagnose(wrong as never))
    expect(error).toMatchObject({ code: "config_invalid" })
    expect(error.message).toMatch(/`administrator.password`: expected a non-empty string, got a number[\s\S]*`probes`/)
    expect(error.message).not.toContain("18221815")
    const nobody = await refusalOf(gate.diagnose({ administrator: { username: "", password: "" } }))
    expect(nobody.fields?.map(({ field }) => field)).toEqual(["administrator.username", "administrator.password"])
  })

  it.each([200, 400, 401, 403, 404])(
    "tells no secret of an answer that says back what it was sent (%i)",
    async status => {
      const administrator = { username: "root", password: secrets.password }
      realm.breakWith(
        ({ call, send }) => {
          const text = `${call.headers.authorization} ${call.body.toString()}`
          send({ status, body: JSON.stringify({ error: text, error_description: text }) })
        },
        { at: /^(?!.*well-known)/ },
      )
      const diagnosis = await gate.diagnose({ probe: true, administrator })
      expect(diagnosis.findings.length).toBeGreaterThan(0)
      expect(secretsIn(diagnosis)).toEqual([])
    },
  )
})
