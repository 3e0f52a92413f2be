import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import * as onExpress from "../../src/adapters/express.js"
import {
  createGate,
  type Gate,
  type GateEvent,
  isGateError,
  type MemoryUser,
  memoryUserStore,
  optionsFromEnv,
  syncUsers,
} from "../../src/index.js"
import { answerWith } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { secrets } from "../support/refusal-of.ts"
import { type Realm, startRealm } from "./realm.ts"

// CWE-117: what would begin a line of its own, colour it, turn it round or fill a disk
const strange = "l3ak\r\nforged: line\u001b[31m\u009b31m\u0000\u007f\u0085\u2028\u2029\u202e\u2066\u200b"
const mark = strange.repeat(2500)

let realm: FaultyRealm
let issuer: Realm
const events: GateEvent[] = []
const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
beforeAll(async () => {
  realm = await startFaultyRealm()
  issuer = await startRealm("ES256", { maxTokenBytes: 1_000_000, onEvent: event => void events.push(event) })
})
afterEach(async () => {
  await realm.heal()
  expect(events.flatMap(event => ("error" in event ? badTexts(event.error) : []))).toEqual([])
  expect(warn.mock.calls.map(([warning]) => warning).flatMap(badTexts)).toEqual([])
  events.length = 0
  warn.mockClear()
})
afterAll(async () => {
  warn.mockRestore()
  await issuer.close()
  await realm.close()
})

function openGate(more: object = {}): Gate<MemoryUser> {
  const onEvent = (event: GateEvent) => void events.push(event)
  return createGate({ ...realm.gateOptions, timeoutMs: 2000, userStore: memoryUserStore(), onEvent, ...more })
}

/** What of an error, its causes and its fields breaks a line or is longer than a log should have to take. */
function badTexts(value: unknown): string[] {
  if (typeof value === "string") return isBad(value) ? [value.slice(0, 300)] : []
  if (!(value instanceof Error)) return []
  const { fields = [] } = isGateError(value) ? value : {}
  const texts = fields.flatMap(({ field, rule, params }) => [field, rule, JSON.stringify(params)])
  const causes = [value.cause, ...(value instanceof AggregateError ? value.errors : [])]
  // Options and findings are listed one a line, and each line is one of ours.
  const isList =
    /^(createGate|syncUsers|1\.|The environment|KEYCLOAK_)/.test(value.message) ||
    fields.some(({ rule }) => rule === "option")
  const lines = isList ? value.message.split("\n") : [value.message]
  return [...lines, ...texts].filter(isBad).concat(causes.flatMap(badTexts))
}

function isBad(text: string): boolean {
  return text.length > 3000 || /[\p{C}\p{Zl}\p{Zp}]/u.test(text) || /^forged/.test(text)
}

/** Refused by an error of this library, in which nothing breaks a line. */
async function expectTold(work: () => unknown): Promise<void> {
  const error = await Promise.resolve()
    .then(work)
    .then(
      () => expect.unreachable("it was accepted"),
      (reason: unknown) => reason,
    )
  expect(isGateError(error), String(error).slice(0, 300)).toBe(true)
  expect(badTexts(error)).toEqual([])
}

const person = { username: "ada", email: secrets.email, firstName: "Ada", lastName: "L", password: secrets.password }

it("is found by these tests where it is", () => {
  expect(badTexts(new Error(mark))).toHaveLength(1)
  expect(badTexts(new Error("fine", { cause: new AggregateError([new Error("a\nforged")]) }))).toHaveLength(1)
  expect(badTexts(new Error("x".repeat(4000)))).toHaveLength(1)
  expect(badTexts(new Error("Größe “fine” → …"))).toEqual([])
})

describe("foreign text in an error is on one line, escaped and cut, when it comes", () => {
  it.each(["iss", "aud", "typ", "azp", "sub", "exp", "nbf", "iat", "cnf", "scope", "preferred_username"])(
    "in the claim %s",
    async name => {
      const claims = { [name]: ["sub", "exp"].includes(name) ? { [strange]: 1 } : mark }
      const token = issuer.sign({ claims: name === "iss" ? claims : { aud: "account", ...claims } })
      await expectTold(() => issuer.gate.verifyBearer(`Bearer ${token}`, {}))
      const inList = issuer.sign({ claims: { aud: Array(1000).fill(strange), [name]: [mark] } })
      await expectTold(() => issuer.gate.verifyBearer(`Bearer ${inList}`, {}))
    },
  )

  it.each(["alg", "typ", "kid", "crit", "cty"])("in the header member %s", async name => {
    await expectTold(() => issuer.gate.verifyBearer(`Bearer ${issuer.sign({ header: { [name]: mark } })}`))
  })

  it("in the header field", async () => {
    for (const header of [mark, `Bearer ${mark}`, `Bearer ${mark}.${mark}.${mark}`, `${mark} x`]) {
      await expectTold(() => issuer.gate.verifyBearer(header, {}))
    }
    await expectTold(() => issuer.gate.verifyBearer([mark, mark]))
  })

  it("in a field, or in its name", async () => {
    const gate = openGate()
    for (const field of Object.keys(person)) await expectTold(() => gate.registerUser({ ...person, [field]: mark }))
    const attempts = [
      () => gate.registerUser({ ...person, attributes: { [mark]: "x" } }),
      () => gate.registerUser({ ...person, attributes: { [`${strange}`.slice(0, 50)]: mark } }),
      () => gate.registerUser({ ...person, attributes: { ["n".repeat(255)]: "x" } }),
      () => gate.loginWithPassword({ username: mark, password: mark, otp: mark }),
      () => gate.refreshSession(mark),
      () => gate.logout(mark),
      () => gate.updateAccount(mark, {}),
      () => gate.updateAccount("s-1", { [mark]: 1 } as never),
      () => gate.updateAccount("s-1", { username: mark, attributes: { [mark]: mark, phone: [mark] } }),
      () => gate.setPassword("s-1", mark),
      () => gate.changePassword({ username: mark, currentPassword: mark, newPassword: mark }),
      () => gate.sendPasswordReset(mark, { redirectUri: mark }),
      () => gate.sendEmailVerification(mark, { redirectUri: mark }),
      () => gate.disableAccount(mark),
      () => gate.deleteAccount(mark),
      () => gate.logoutEverywhere(mark),
    ]
    for (const attempt of attempts) await expectTold(attempt)
    gate.close()
  })

  it("in an option, a requirement or the environment, or in its name", async () => {
    const options = { serverUrl: mark, realm: mark, clientId: mark, audience: mark, [mark]: mark }
    const wrong = { ...options, algorithms: [mark], verification: { mode: mark, [mark]: 1 }, onEvent: mark }
    const nested = { registration: { groups: mark, onboarding: mark, attributes: { [mark]: mark }, [mark]: 1 } }
    const gate = openGate()
    const token = `Bearer ${await realm.mint()}`
    const attempts = [
      () => createGate({ ...wrong, ...nested, admin: { clientId: mark, [mark]: 1 }, timeoutMs: mark } as never),
      () => createGate(mark as never),
      () => optionsFromEnv({ KEYCLOAK_URL: mark, KEYCLOAK_REALM: mark, KEYCLOAK_CLIENT_ID: mark }),
      () => optionsFromEnv({ OIDC_OP_TOKEN_ENDPOINT: `https://x/realms/${mark}/protocol/openid-connect/token` }),
      () => onExpress.requireUser({ [mark]: 1 } as never),
      () => onExpress.requireUser({ kind: mark } as never),
      () => onExpress.requireUser({ clientRoles: { [mark]: mark } } as never),
      () => onExpress.requireUser({ scopes: [mark] }),
      () => onExpress.authenticate(gate as never, { [mark]: 1 } as never),
      () => onExpress.loginHandler(gate, { onError: mark } as never),
      () => onExpress.registerHandler(gate, { attributes: [mark] }),
      () => onExpress.passwordResetHandler(gate, { redirectUri: mark }),
      () => gate.verifyBearer(token, { realmRoles: [mark], groups: Array(1000).fill(mark) }),
      () => gate.ready({ uses: [mark] } as never),
      () => syncUsers(gate, { [mark]: 1 } as never),
      () => syncUsers(gate, { onMissing: mark } as never),
      () => syncUsers(gate, { cursor: mark }),
    ]
    for (const attempt of attempts) await expectTold(attempt)
    gate.close()
  })

  // Longer answers are not read to their end.
  const said = strange.repeat(60)
  const bodies: Readonly<Record<string, unknown>> = {
    "OAuth's members": { error: said, error_description: said },
    "a known error that is described": { error: "invalid_grant", error_description: said },
    "an unknown realm": { error: `Realm ${said}` },
    "a message": { errorMessage: said },
    "rules of a profile": { errors: Array(300).fill({ field: said, errorMessage: said, params: [said, 1] }) },
    "a rule of the password policy": { error: `invalidPassword${said}`, error_description: said },
    "a token": {
      access_token: said,
      token_type: said,
      expires_in: said,
      refresh_token: said,
      issuer: said,
      keys: [said],
    },
    "an account": { active: true, sub: said, id: said, username: said, email: said, iss: said, aud: said, typ: said },
    "a list of them": [{ id: said, username: said, name: said, path: said, createdTimestamp: said }],
  }
  it.each(Object.keys(bodies))("in an answer of Keycloak with %s", async kind => {
    const access = `Bearer ${await realm.mint()}`
    const refresh = await realm.mint({ typ: "Refresh" })
    for (const status of [200, 400, 401, 403, 404, 409]) {
      await realm.heal()
      const gate = openGate()
      // Half of it with a service token, so that the calls about accounts get theirs.
      await gate.updateAccount("nobody", {}).catch(() => undefined)
      const headers = {
        "content-type": "application/json",
        location: `http://127.0.0.1:1/${"l3ak".repeat(2000)}`,
        "www-authenticate": `Bearer error="invalid_token", error_description="${"l3ak".repeat(2000)}"`,
        "retry-after": "l3ak".repeat(2000),
      }
      realm.breakWith(answerWith({ status, headers, body: JSON.stringify(bodies[kind]) }))
      const others = (["introspection", "userinfo"] as const).map(verification => openGate({ verification }))
      const attempts = [gate, ...others].flatMap(one => [
        () => one.verifyBearer(access),
        () => one.ready(),
        () => one.registerUser({ ...person, username: "bob" }),
      ])
      const verbs = [
        () => gate.loginWithPassword(person),
        () => gate.refreshSession(refresh),
        () => gate.logout(refresh),
        () => gate.updateAccount("s-1", { firstName: "Ada", attributes: { phone: "1" } }),
        () => gate.setPassword("s-1", secrets.password),
        () => gate.changePassword({ subject: "s-1", currentPassword: secrets.password, newPassword: secrets.password }),
        () => gate.sendPasswordReset(secrets.email),
        () => gate.sendEmailVerification("s-1"),
        () => gate.disableAccount("s-1"),
        () => gate.deleteAccount("s-1"),
        () => syncUsers(gate, {}),
      ]
      const outcomes = await Promise.allSettled([...attempts, ...verbs].map(async attempt => attempt()))
      // Some of these answers are good ones.
      expect(outcomes.flatMap(one => (one.status === "rejected" ? badTexts(one.reason) : []))).toEqual([])
      expect(outcomes.filter(one => one.status === "rejected").length).toBeGreaterThan(10)
      for (const one of [gate, ...others]) one.close()
    }
  })
})
