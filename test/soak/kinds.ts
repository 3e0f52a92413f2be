import { randomBytes, randomUUID } from "node:crypto"
import { createGate, type Gate, type GateEvent, type GateOptions } from "../../src/index.js"
import { personNamed } from "../support/person-named.ts"
import type { Kind } from "../support/traffic.ts"
import type { Realm } from "./realm.ts"
import { type Row, troubledStore } from "./store.ts"

export interface Life {
  readonly kinds: readonly Kind[]
  /** Verifies a token each of so many new people, in every gate that remembers them, as fast as it goes. */
  readonly meetNewPeople: (count: number) => Promise<void>
  /** New keys for the realm; with `removeOld`, the tokens of before are void. */
  readonly rotate: (removeOld: boolean) => Promise<void>
  /** How often each type of event was heard. */
  readonly heard: Readonly<Record<string, number>>
  readonly close: () => Promise<void>
}

const timeoutMs = 1000
const keptPeople = 100
const keptTokens = 200
const password = personNamed("").password

/** Everything that an application does with the library, in one process, with several gates. */
export async function startLife(realm: Realm, random: () => number): Promise<Life> {
  const heard: Record<string, number> = {}
  const onEvent = ({ type }: GateEvent) => {
    heard[type] = (heard[type] ?? 0) + 1
  }
  const common = { ...(await realm.tell("start")), timeoutMs, keySet: { maxAgeSeconds: 20 }, onEvent }
  const withRows: GateOptions<Row> & { readonly userStore: object } = {
    ...common,
    userStore: troubledStore(random, 2 * timeoutMs),
    storeTimeoutMs: timeoutMs,
    registration: { realmRoles: ["uma_authorization"] },
  }
  const gate: Gate<Row> = createGate(withRows as never)
  const rechecking = createGate({ ...common, verification: { mode: "local", recheckSeconds: 2 } })
  const introspecting = createGate({ ...common, verification: { mode: "introspection", cacheSeconds: 2 } })
  const asking = createGate({ ...common, verification: "userinfo" })
  const gates = [gate, rechecking, introspecting, asking]

  const people = ring<{ readonly username: string; readonly subject: string }>(keptPeople, random)
  const sessions = ring<{ readonly accessToken: string; readonly refreshToken: string }>(keptPeople, random)
  const recent = ring<string>(keptTokens, random)
  const few = tokensOf("few")
  const everNew = tokensOf("new")

  /** Tokens that nobody has presented yet; they are minted ahead. */
  function tokensOf(people: "few" | "new") {
    let minted: string[] = []
    let minting: Promise<void> | null = null
    return {
      async next(): Promise<string> {
        if (minted.length < 500) {
          minting ??= realm.tell("mint", { count: 1000, people }).then(more => {
            minted = [...minted, ...more]
            minting = null
          })
        }
        while (minted.length === 0) await minting
        return minted.pop() as string
      },
      forget() {
        minted = []
      },
    }
  }

  async function verify(by: { verifyBearer: Gate<unknown>["verifyBearer"] }, token: string): Promise<void> {
    recent.add(token)
    await by.verifyBearer(`Bearer ${token}`, {})
  }

  async function logIn(): Promise<void> {
    sessions.add(await gate.loginWithPassword({ username: people.any().username, password, scope: "openid" }))
  }

  async function register(): Promise<void> {
    const { username, subject } = await gate.registerUser(personNamed(randomUUID()), { plan: "pro" })
    people.add({ username, subject })
  }

  for (let count = 0; count < 20; count++) await register().catch(() => undefined)
  for (let count = 0; count < 20; count++) await logIn()

  const subject = () => people.any().subject
  const kinds: readonly Kind[] = [
    { name: "verify, a new token", share: 200, send: async () => verify(gate, await few.next()) },
    { name: "verify, a token of before", share: 30, send: () => verify(gate, recent.any()) },
    { name: "recheck, a new token", share: 30, send: async () => verify(rechecking, await few.next()) },
    { name: "recheck, a session", share: 20, send: () => verify(rechecking, sessions.any().accessToken) },
    { name: "introspection, a new token", share: 5, send: async () => verify(introspecting, await few.next()) },
    { name: "introspection, a session", share: 10, send: () => verify(introspecting, sessions.any().accessToken) },
    { name: "userinfo", share: 5, send: () => verify(asking, sessions.any().accessToken) },
    { name: "an odd token", share: 30, send: async () => verify(gate, oddToken(recent.any(), random)) },
    { name: "login", share: 2, send: logIn },
    {
      name: "refresh",
      share: 3,
      send: async () => sessions.add(await gate.refreshSession(sessions.any().refreshToken)),
    },
    { name: "logout", share: 1, send: () => gate.logout(sessions.any().refreshToken) },
    { name: "registration", share: 2, send: register },
    { name: "update", share: 1, send: () => gate.updateAccount(subject(), { firstName: randomUUID() }) },
    { name: "set password", share: 0.5, send: () => gate.setPassword(subject(), password) },
    {
      name: "change password",
      share: 0.5,
      send: () =>
        gate.changePassword({ username: people.any().username, currentPassword: password, newPassword: password }),
    },
    { name: "log out everywhere", share: 0.5, send: () => gate.logoutEverywhere(subject()) },
    { name: "mail for a password", share: 0.5, send: () => gate.sendPasswordReset(`${randomUUID()}@example.test`) },
    { name: "mail for an e-mail", share: 0.5, send: () => gate.sendEmailVerification(subject()) },
    { name: "disable", share: 0.3, send: () => gate.disableAccount(subject()) },
    { name: "enable", share: 0.5, send: () => gate.enableAccount(subject()) },
    { name: "delete", share: 0.5, send: () => gate.deleteAccount(subject()) },
  ]

  return {
    kinds,
    heard,
    async rotate(removeOld) {
      await realm.tell("rotate", removeOld)
      for (const tokens of [few, everNew]) tokens.forget()
    },
    async meetNewPeople(count) {
      let left = count
      async function work(): Promise<void> {
        for (; left > 0; left--) {
          const token = await everNew.next()
          for (const one of [gate, rechecking]) await one.verifyBearer(`Bearer ${token}`, {}).catch(() => undefined)
          await gate.verifyBearer(`Bearer ${oddToken(token, random)}`, {}).catch(() => undefined)
        }
      }
      await Promise.all(Array.from({ length: 50 }, work))
    },
    async close() {
      for (const one of gates) await one.close()
    },
  }
}

/** The last ones of a kind. */
function ring<Value>(size: number, random: () => number) {
  const values: Value[] = []
  let next = 0
  return {
    add(value: Value) {
      values[next] = value
      next = (next + 1) % size
    },
    any: () => values[Math.floor(random() * values.length)] as Value,
  }
}

/** A token that somebody has tampered with, or that is none. */
function oddToken(token: string, random: () => number): string {
  const [header = "", payload = "", signature = ""] = token.split(".")
  const encode = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url")
  const decode = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as object
  const odd = [
    () => randomBytes(30).toString("base64url"),
    () => `${header}.${payload}.${randomBytes(64).toString("base64url")}`,
    () => `${header}.${encode({ ...decode(payload), sub: randomUUID() })}.${signature}`,
    () => `${encode({ ...decode(header), kid: randomUUID() })}.${payload}.${signature}`,
    () => `${encode({ ...decode(header), alg: "none" })}.${payload}.`,
    () => `${encode({ ...decode(header), alg: "RS256" })}.${payload}.${signature}`,
    () => `${encode({ ...decode(header), [randomUUID()]: 1 })}.${payload}.${signature}`,
    () => "x".repeat(Math.floor(random() * 20_000)),
  ]
  return (odd[Math.floor(random() * odd.length)] as () => string)()
}
