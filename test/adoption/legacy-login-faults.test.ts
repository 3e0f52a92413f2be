import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createGate, type Gate, type GateEvent, type GateOptions, type MemoryUser } from "../../src/index.js"
import { answerWith, cutAnswer, hangBeforeHeaders, holdUp, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import type { Fault } from "../support/faulty-server.ts"
import { createOldTable, type OldPerson } from "../support/old-table.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

const { password } = secrets
const table = createOldTable()
let realm: FaultyRealm
let gates: Gate<MemoryUser>[]
let events: GateEvent[]

beforeEach(async () => {
  realm = await startFaultyRealm()
  table.verify.mockClear()
  gates = []
  events = []
})
afterEach(async () => {
  vi.useRealTimers()
  expect(secretsIn(events)).toEqual([])
  await Promise.all(gates.map(gate => gate.close()))
  await realm.close()
})

function openGate({ userStore = table.store, ...more }: Partial<GateOptions<MemoryUser>> = {}): Gate<MemoryUser> {
  const gate = createGate<MemoryUser>({
    ...realm.gateOptions,
    userStore,
    legacyLogin: { verify: table.verify },
    timeoutMs: 60_000,
    onEvent: event => void events.push(event),
    ...more,
  })
  gates.push(gate)
  return gate
}

const login = ({ username }: OldPerson) => ({ username, password })
const accountsOf = ({ email }: OldPerson) => realm.users().filter(account => account.email === email)

/** Whatever was broken before: one account, one row, and that one with its old id. */
async function expectMoved(ada: OldPerson, gate = openGate()): Promise<void> {
  const { accessToken } = await gate.loginWithPassword(login(ada))
  const { user } = await gate.verifyBearer(`Bearer ${accessToken}`, {})
  expect(user).toMatchObject({ username: ada.username, extra: { oldId: ada.oldId } })
  expect(accountsOf(ada)).toMatchObject([{ id: user?.subject, enabled: true, requiredActions: [] }])
}

const lookUps = paths.find
const readAccount = /^GET .*\/users\/[0-9a-f-]+$/
const resetPassword = /^PUT .*\/reset-password$/
const failures = /^DELETE .*\/attack-detection\//
const open = /^PUT .*\/users\/[0-9a-f-]+$/
const badGateway = answerWith({ status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad Gateway</h1>" })
const json = { "content-type": "application/json" }
const answerJson = (status: number, body: unknown) => answerWith({ status, headers: json, body: JSON.stringify(body) })

describe("legacyLogin asks nobody while Keycloak can't be asked:", () => {
  it("not while it is down", async () => {
    const gate = openGate()
    await realm.goDown()
    expect((await refusalOf(gate.loginWithPassword(login(table.addPerson())))).code).toBe("keycloak_unavailable")
    expect(table.verify).not.toHaveBeenCalled()
  })

  it.each<[string, Fault, string]>([
    ["an outage", badGateway, "keycloak_unavailable"],
    ["an error of its own", answerJson(500, { error: "unknown_error" }), "keycloak_unavailable"],
    ["too many requests", answerJson(429, { error: "too_many" }), "keycloak_unavailable"],
    ["a cut connection", reset, "keycloak_unavailable"],
    ["a redirect", answerWith({ status: 302, headers: { location: "/" } }), "keycloak_unavailable"],
    ["a missing right", answerJson(403, { error: "HTTP 403 Forbidden" }), "keycloak_refused_us"],
    ["a realm that is gone", answerJson(404, { error: "Realm not found." }), "keycloak_refused_us"],
    [
      "a web page",
      answerWith({ status: 200, headers: { "content-type": "text/html" }, body: "<p>" }),
      "keycloak_unavailable",
    ],
    ["an object", answerJson(200, {}), "keycloak_unavailable"],
    ["nothing at all", answerWith({ status: 200, headers: json, body: "" }), "keycloak_unavailable"],
    ["a 404 of no realm's", answerJson(404, { error: "User not found" }), "keycloak_unavailable"],
    ["somebody without an id", answerJson(200, [{ username: "x" }]), "keycloak_unavailable"],
  ])("not where the look-up is answered by %s", async (_, fault, code) => {
    for (const times of [1, 2]) {
      realm.breakWith(fault, { at: lookUps, times: fault === reset ? 4 : times })
      const gate = openGate()
      expect((await refusalOf(gate.loginWithPassword(login(table.addPerson())))).code).toBe(code)
      await realm.heal()
    }
    expect(table.verify).not.toHaveBeenCalled()
    expect(events.filter(({ type }) => type === "legacy_login")).toEqual([])
  })

  it("not where the look-up hangs, and it waits no longer than for other questions", async () => {
    realm.breakWith(hangBeforeHeaders, { at: lookUps })
    const gate = openGate({ timeoutMs: 300 })
    expect((await refusalOf(gate.loginWithPassword(login(table.addPerson())))).code).toBe("keycloak_unavailable")
    expect(table.verify).not.toHaveBeenCalled()
  })

  it("not where the service account gets no token", async () => {
    const gate = openGate({ admin: { clientId: "shop-api", clientSecret: "wrong" } })
    expect((await refusalOf(gate.loginWithPassword(login(table.addPerson())))).code).toBe("keycloak_refused_us")
    expect(table.verify).not.toHaveBeenCalled()
  })
})

/** What a first login asks of Keycloak, in this order. */
const steps: readonly [name: string, at: RegExp][] = [
  ["the create", paths.create],
  ["reading it back", readAccount],
  ["the password", resetPassword],
  ["forgetting wrong passwords", failures],
  ["the opening", open],
]

describe("legacyLogin, cut off", () => {
  it.each(steps)("before %s: the next login finishes, in whatever process", async (_, at) => {
    const ada = table.addPerson()
    realm.breakWith(reset, { at })
    expect((await refusalOf(openGate().loginWithPassword(login(ada)))).code).toBe("keycloak_unavailable")
    for (const account of accountsOf(ada)) expect(account.enabled).toBe(false)
    await realm.heal()
    await expectMoved(ada)
  })

  it.each(steps)("after %s: the next login finishes, in whatever process", async (_, at) => {
    const ada = table.addPerson()
    realm.breakWith(cutAnswer, { at })
    await openGate()
      .loginWithPassword(login(ada))
      .catch(error => expect(error.code).toBe("keycloak_unavailable"))
    await realm.heal()
    await expectMoved(ada)
  })

  it.each(steps)("by a lost answer to %s goes on by itself", async (_, at) => {
    const ada = table.addPerson()
    realm.breakWith(cutAnswer, { at, times: 1 })
    await expectMoved(ada)
  })

  it.each(steps)("by a gate that is closed while %s is under way: the next login finishes", async (_, at) => {
    const ada = table.addPerson()
    const held = holdUp()
    const gate = openGate()
    realm.breakWith(held.fault, { at })
    const refusal = refusalOf(gate.loginWithPassword(login(ada)))
    await expect.poll(() => realm.requests(at)).toBe(1)
    await gate.close()
    expect((await refusal).code).toBe("closed")
    await held.letGo()
    await realm.heal()
    await expectMoved(ada)
  })

  it("by a store that tied the row and could not say so: the next login finishes", async () => {
    const ada = table.addPerson()
    const linkUser = vi.fn(table.store.linkUser).mockImplementationOnce(async (...given) => {
      await table.store.linkUser(...given)
      throw new Error("connection lost")
    })
    const gate = openGate({ userStore: { ...table.store, linkUser } })
    await expect(gate.loginWithPassword(login(ada))).rejects.toThrow("connection lost")
    expect(accountsOf(ada)).toMatchObject([{ enabled: false }])
    await expectMoved(ada, gate)
  })

  it("by Keycloak that falls silent, holds nobody without limit", async () => {
    for (const [, at] of steps) {
      const ada = table.addPerson()
      realm.breakWith(hangBeforeHeaders, { at })
      expect((await refusalOf(openGate({ timeoutMs: 200 }).loginWithPassword(login(ada)))).code).toBe(
        "keycloak_unavailable",
      )
      await realm.heal()
      await expectMoved(ada)
    }
  })

  it("by another process that set the password in that moment, goes on by itself", async () => {
    const ada = table.addPerson()
    const error = "Batch update returned unexpected row count from update 0 (expected row count 1 but was 0)"
    realm.breakWith(answerJson(400, { error }), { at: resetPassword, times: 1 })
    await expectMoved(ada)
    expect(realm.requests(resetPassword)).toBe(2)
  })

  it("leaves the account closed where its removal fails after the policy has refused the password", async () => {
    const ada = table.addPerson({ password: "short" })
    realm.breakWith(badGateway, { at: paths.remove })
    const gate = openGate()
    const error = await refusalOf(gate.loginWithPassword({ username: ada.username, password: "short" }))
    expect(error.code).toBe("account_rejected")
    expect(accountsOf(ada)).toMatchObject([{ enabled: false }])
    await realm.heal()
    table.setPassword(ada, password)
    await expectMoved(ada)
  })
})

describe("legacyLogin, where Keycloak refuses one of two logins at once,", () => {
  const asWrong = answerJson(400, { error: "invalid_grant", error_description: "Invalid user credentials" })

  it("sends the password that it has proven until it is taken", async () => {
    const ada = table.addPerson()
    let refusals = 0
    realm.breakWith(
      async exchange => {
        const isPerson = String(exchange.call.body).includes("grant_type=password")
        const isOpen = accountsOf(ada)[0]?.enabled === true
        if (isPerson && isOpen && refusals++ < 3) await asWrong(exchange)
        else exchange.send(await exchange.perform())
      },
      { at: paths.token },
    )
    await expectMoved(ada)
    expect(refusals).toBeGreaterThan(3)
  })

  it("gives up at the end of its time, with that refusal", async () => {
    const ada = table.addPerson()
    realm.breakWith(
      async exchange => {
        const isPerson = String(exchange.call.body).includes("grant_type=password")
        if (isPerson) await asWrong(exchange)
        else exchange.send(await exchange.perform())
      },
      { at: paths.token },
    )
    const error = await refusalOf(openGate({ timeoutMs: 300 }).loginWithPassword(login(ada)))
    expect(error.code).toBe("invalid_credentials")
    await realm.heal()
    expect(table.verify).toHaveBeenCalledTimes(1)
    await expectMoved(ada)
    expect(table.verify).toHaveBeenCalledTimes(1)
  })

  it("logs in who was refused while another process made the account", async () => {
    const [ada, other] = [table.addPerson(), openGate()]
    // The refusal of the first one is on its way while the second one moves the person.
    const held = holdUp()
    realm.breakWith(held.fault, { at: paths.token, times: 1 })
    const first = openGate().loginWithPassword(login(ada))
    await expect.poll(() => realm.requests(paths.token)).toBe(1)
    const refused = held.letGo()
    await refused
    await other.loginWithPassword(login(ada))
    await first
    expect(accountsOf(ada)).toHaveLength(1)
  })
})

describe("legacyLogin, with a clock that jumps,", () => {
  it.each([-86_400_000, 86_400_000])(
    "by %d ms while it moves somebody: the row takes what tokens tell next",
    async by => {
      const ada = table.addPerson()
      const linkUser: typeof table.store.linkUser = async (...given) => {
        vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + by })
        return table.store.linkUser(...given)
      }
      const gate = openGate({ userStore: { ...table.store, linkUser } })
      await gate.loginWithPassword(login(ada))
      vi.useRealTimers()
      await expectMoved(ada, gate)
    },
  )
})
