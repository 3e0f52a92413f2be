import * as crypto from "node:crypto"
import { beforeAll, expect, it } from "vitest"
import { readAccount, setPassword, writeAccount } from "../../src/accounts/keycloak/account.js"
import { type Channel, openChannel } from "../../src/accounts/keycloak/channel.js"
import {
  actionsBehindDoor,
  beginAccount,
  findOwner,
  isBegun,
  type NewClosedAccount,
  openAccount,
  removeBegun,
} from "../../src/adoption/closed-account.js"
import { credentialIdOf } from "../../src/adoption/credential-id.js"
import { hashOfNothing, type PasswordHash, toCredential } from "../../src/adoption/password-hash.js"
import { createGate, type Gate, type GateOptions } from "../../src/index.js"
import { connectionTo } from "../support/connection.ts"

const password = "old-Passw0rd"
const salt = Buffer.from("nacl-nacl-nacl")
const hash: PasswordHash = {
  algorithm: "pbkdf2-sha256",
  iterations: 1000,
  salt: salt.toString("base64"),
  value: crypto.pbkdf2Sync(password, salt, 1000, 32, "sha256").toString("base64"),
}

/** What every closed account does, on the test realm and on the real server. */
export function describeClosedAccount(optionsOf: () => GateOptions<never>): void {
  let channel: Channel
  let gate: Gate<null>
  let count = 0
  beforeAll(() => {
    const options = { ...optionsOf(), revealAccountState: true }
    channel = openChannel(connectionTo(options), "background")
    gate = createGate({ ...options, userStore: undefined })
  })

  function closed(key: number, more: Partial<NewClosedAccount> = {}): NewClosedAccount {
    const username = `Closed-${key}`
    return {
      ...{ username, email: `${username}@example.test`, emailVerified: true, firstName: "Ada", lastName: "L" },
      ...{ attributes: {}, groups: [], requiredActions: [], isShut: false },
      credential: toCredential(idOf(key), hash),
      ...more,
    }
  }
  // Of no row: a test beside these may have rows of such numbers.
  const idOf = (key: number) => credentialIdOf(channel.realm.issuer, `closed-${key}`)
  const newKey = () => ++count
  const logIn = (username: string, password: string) =>
    gate.loginWithPassword({ username, password }).then(
      () => "session",
      ({ code }) => code,
    )
  async function begun(account: NewClosedAccount): Promise<string> {
    const outcome = await beginAccount(channel, account)
    if (outcome.is !== "created") throw new Error(outcome.is)
    return outcome.id
  }

  it("lets nobody in before it is opened, and its owner with the old password afterwards", async () => {
    const key = newKey()
    const id = await begun(closed(key))
    expect(await logIn(`closed-${key}`, password)).toBe("account_disabled")
    expect(await openAccount(channel, id, { enabled: true, requiredActions: [] })).toBe("done")
    expect(await logIn(`closed-${key}`, password)).toBe("session")
    const account = await readAccount(channel, id)
    expect(account).toMatchObject({ enabled: true, requiredActions: [], email: `closed-${key}@example.test` })
  })

  it("is found again by whoever begins it once more, closed or open", async () => {
    const account = closed(newKey())
    const id = await begun(account)
    const again = await beginAccount(channel, account)
    expect(again).toMatchObject({ is: "own", account: { id } })
    if (again.is !== "own") return
    expect(isBegun(again.account)).toBe(true)
    await openAccount(channel, id, { enabled: true, requiredActions: actionsBehindDoor(again.account) })
    const opened = await beginAccount(channel, account)
    expect(opened).toMatchObject({ is: "own", account: { id, enabled: true, requiredActions: [] } })
  })

  it("is one account for any number of beginnings at once", async () => {
    const account = closed(newKey())
    const all = await Promise.all(Array.from({ length: 8 }, () => beginAccount(channel, account)))
    const ids = new Set(all.map(one => ("id" in one ? one.id : "account" in one ? one.account.id : one.is)))
    expect(ids.size).toBe(1)
    expect(all.filter(one => one.is === "created")).toHaveLength(1)
  })

  it("is not begun where an administrator has locked an account", async () => {
    const id = await begun(closed(newKey()))
    await openAccount(channel, id, { enabled: true, requiredActions: [] })
    await writeAccount(channel, id, { enabled: false })
    const account = await readAccount(channel, id)
    expect(account && isBegun(account)).toBe(false)
    await removeBegun(channel, id)
    expect(await readAccount(channel, id)).not.toBeNull()
  })

  it("stays begun when its password is set, and keeps what there is to do behind the door", async () => {
    const key = newKey()
    const credential = toCredential(idOf(key), hashOfNothing())
    const id = await begun(closed(key, { credential, requiredActions: ["UPDATE_PROFILE"] }))
    await setPassword(channel, id, { value: "Another-2026!", temporary: false })
    const account = await readAccount(channel, id)
    if (account === null) throw new Error("the account is gone")
    expect(isBegun(account)).toBe(true)
    expect(actionsBehindDoor(account)).toEqual(["UPDATE_PROFILE"])
    const found = await findOwner(channel, credential.id, { username: `closed-${key}`, email: null })
    expect(found).toMatchObject({ is: "own" })
    await openAccount(channel, id, { enabled: true, requiredActions: [] })
    expect(await logIn(`closed-${key}`, "Another-2026!")).toBe("session")
  })

  it("is another row's where only the letters' case of its name differs", async () => {
    const key = newKey()
    await begun(closed(key))
    const other = closed(newKey(), { username: `CLOSED-${key}`, email: null })
    expect(await beginAccount(channel, other)).toEqual({ is: "taken", field: "username", isImported: true })
    const third = closed(newKey(), { email: `Closed-${key}@example.test` })
    expect(await beginAccount(channel, third)).toEqual({ is: "taken", field: "email", isImported: true })
  })

  it("is somebody else's where a person has registered under its name", async () => {
    const stranger = { username: `stranger-${newKey()}`, email: `stranger-${count}@example.test` }
    await gate.registerUser({ ...stranger, firstName: "A", lastName: "B", password: "Stranger-2026!" })
    const outcome = await beginAccount(channel, closed(newKey(), { username: stranger.username }))
    expect(outcome).toEqual({ is: "taken", field: "username", isImported: false })
  })

  it("is elsewhere when both of its names have changed since", async () => {
    const key = newKey()
    await begun(closed(key))
    const renamed = closed(key, { username: `renamed-${key}`, email: `renamed-${key}@example.test` })
    expect(await beginAccount(channel, renamed)).toEqual({ is: "elsewhere" })
  })

  it("goes without a trace as long as it is closed", async () => {
    const account = closed(newKey())
    const id = await begun(account)
    await removeBegun(channel, id)
    await removeBegun(channel, id)
    expect(await beginAccount(channel, account)).toMatchObject({ is: "created" })
  })

  it("is made where the one in its way is gone before anybody can ask whose it is", async () => {
    const key = newKey()
    const id = await begun(closed(key))
    let asked = 0
    const api = {
      ...channel.api,
      async read<Value>(path: string, parse: (data: unknown) => Value | null) {
        if (path.endsWith("/credentials") && asked++ === 0) await removeBegun(channel, id)
        return channel.api.read(path, parse)
      },
    }
    const other = closed(newKey(), { username: `closed-${key}`, email: null })
    expect(await beginAccount({ ...channel, api }, other)).toMatchObject({ is: "created" })
  })

  it("stays disabled, and is begun no more, where it is opened as such", async () => {
    const id = await begun(closed(newKey()))
    await openAccount(channel, id, { enabled: false, requiredActions: [] })
    const account = await readAccount(channel, id)
    expect(account).toMatchObject({ enabled: false, requiredActions: [] })
    expect(account && isBegun(account)).toBe(false)
  })
}
