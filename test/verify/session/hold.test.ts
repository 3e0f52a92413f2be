import { afterEach, describe, expect, it } from "vitest"
import { createGate, type GateEvent, type GateOptions, type HoldEnd } from "../../../src/index.js"
import { reset } from "../../support/faults.ts"
import { startFaultyRealm } from "../../support/faulty-realm.ts"
import { paths } from "../../support/paths.ts"
import { refusalOf, secrets } from "../../support/refusal-of.ts"

const recheckSeconds = 0.05
const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** A gate that holds the token of a new login. */
async function setUp(options: Partial<GateOptions<never>> = {}) {
  const realm = await startFaultyRealm()
  const events: GateEvent[] = []
  const ended: HoldEnd[] = []
  const gate = createGate({
    ...realm.gateOptions,
    ...options,
    onEvent: event => events.push(event),
  } as GateOptions<never>)
  opened.push(realm.close, gate.close)
  const session = await gate.loginWithPassword({ username: "ada", password: secrets.password })
  const hold = await gate.hold(session.accessToken, { onEnd: reason => void ended.push(reason) })
  return { realm, gate, events, ended, session, hold }
}

const asking: readonly [string, Partial<GateOptions<never>>, RegExp][] = [
  ["recheckSeconds", { verification: { mode: "local", recheckSeconds } }, paths.introspection],
  ["introspection", { verification: { mode: "introspection", recheckSeconds } }, paths.introspection],
  ["userinfo", { verification: { mode: "userinfo", recheckSeconds } }, paths.userinfo],
]

describe.each(asking)("gate.hold with %s", (_, options, path) => {
  it("ends when the session does, without any request", async () => {
    const { realm, session, ended, hold } = await setUp(options)
    expect(hold.principal.username).toBe("ada")
    const elsewhere = createGate(realm.gateOptions)
    opened.push(elsewhere.close)
    await elsewhere.logout(session.refreshToken)
    await expect.poll(() => ended).toEqual(["revoked"])
    expect(await refusalOf(hold.renew(session.accessToken))).toMatchObject({ code: "session_ended" })
  })

  it("goes on while Keycloak answers nobody, and that is told once", async () => {
    const { realm, events, ended } = await setUp(options)
    realm.breakWith(reset, { at: path })
    const before = realm.requests(path)
    await expect.poll(() => realm.requests(path) - before).toBeGreaterThan(3)
    expect(ended).toEqual([])
    expect(events.map(({ type }) => type)).toEqual(["keycloak_down"])
  })
})

describe("gate.hold in local mode", () => {
  it("asks nobody", async () => {
    const { realm, ended } = await setUp()
    const before = realm.requests()
    await new Promise(resolve => setImmediate(resolve))
    expect(realm.requests()).toBe(before)
    expect(ended).toEqual([])
  })

  it("ends with `closed` at close(), and begins none afterwards", async () => {
    const { gate, session, ended, hold } = await setUp()
    await gate.close()
    expect(ended).toEqual(["closed"])
    expect(await refusalOf(gate.hold(session.accessToken, { onEnd() {} }))).toMatchObject({ code: "closed" })
    expect(await refusalOf(hold.renew(session.accessToken))).toMatchObject({ code: "closed" })
  })

  it("renews with the token of a refresh, and not with somebody else's", async () => {
    const { realm, gate, session, hold, events } = await setUp()
    const later = { exp: Math.floor(Date.now() / 1000) + 3600 }
    expect((await hold.renew(await realm.mint(later))).subject).toBe(hold.principal.subject)
    realm.addUser({ username: "hold-bob", password: secrets.password })
    const bobs = await realm.issueToken("hold-bob", { exp: later.exp + 60 })
    expect(await refusalOf(hold.renew(bobs))).toMatchObject({ code: "invalid_token", reason: "claims" })
    expect(await refusalOf(hold.renew(session.accessToken))).toMatchObject({ code: "invalid_token" })
    expect(events.map(event => event.type === "refusal" && event.error.code)).toEqual([
      "invalid_token",
      "invalid_token",
    ])
    expect(gate.health().recheckBacklog).toBe(0)
  })

  it("needs what is required with each token", async () => {
    const { realm, gate } = await setUp()
    const editor = { resource_access: { "shop-api": { roles: ["editor"] } } }
    const requirements = { clientRoles: { "shop-api": ["editor"] } }
    const holding = (token: string) => gate.hold(token, { requirements, onEnd() {} })
    expect(await refusalOf(holding(await realm.mint()))).toMatchObject({ code: "insufficient_scope" })
    const hold = await holding(await realm.mint(editor))
    const later = { exp: Math.floor(Date.now() / 1000) + 3600 }
    expect(await refusalOf(hold.renew(await realm.mint(later)))).toMatchObject({ code: "insufficient_scope" })
    expect(hold.principal.clientRoles["shop-api"]).toEqual(["editor"])
    expect((await hold.renew(await realm.mint({ ...editor, ...later }))).claims.exp).toBe(later.exp)
  })
})
