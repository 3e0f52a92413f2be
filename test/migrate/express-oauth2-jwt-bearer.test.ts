import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { type BothApplications, clientId, differencesIn, startBothApis } from "../support/both-applications.ts"

let realm: TestRealm
let both: BothApplications
beforeAll(async () => {
  realm = await startTestRealm()
  realm.addUser({ username: "ada" })
  realm.addUser({ username: "admin", realmRoles: ["admin"] })
  both = await startBothApis({ serverUrl: realm.url, realm: realm.name })
})
afterAll(async () => {
  await both.close()
  await realm.stop()
})

async function bearer(username: string, claims: Record<string, unknown> = {}): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await realm.issueToken(username, claims, { scope: "openid profile email" })}` }
}

async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<readonly [number, number]> {
  const { before, after } = await both.ask(path, headers)
  return [before.status, after.status]
}

describe("the routes of an API with express-oauth2-jwt-bearer, before and after", () => {
  it.each([
    ["/", ["ada", "admin"]],
    ["/me", ["ada", "admin"]],
    ["/profile", ["ada", "admin"]],
    ["/orders", []],
    ["/either", ["ada", "admin"]],
  ])("let the same people in at %s, and call them by the same names", async (path, allowed: readonly string[]) => {
    for (const username of ["ada", "admin"]) {
      const isAllowed = allowed.includes(username)
      const { before, after } = await both.ask(path, await bearer(username))
      expect(before).toEqual({ status: isAllowed ? 200 : 403, hello: isAllowed ? username : null })
      expect(after).toEqual(before)
    }
  })

  it("refuse the same: no token, a bad one, one for another application, half a header", async () => {
    for (const headers of [
      {},
      await bearer("ada", { exp: 1 }),
      await bearer("ada", { aud: "account" }),
      await bearer("ada", { iss: "https://sso.example.test/realms/shop" }),
      await bearer("ada", { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }),
      { authorization: "Bearer" },
    ]) {
      const [before, after] = await ask("/me", headers)
      expect(before).toBeGreaterThanOrEqual(400)
      expect(after).toBe(before)
    }
    expect((await both.ask("/")).after).toEqual({ status: 200, hello: "stranger" })
  })
})

/** What the page says of a difference, and what tries it out. */
const differences: Readonly<Record<string, () => Promise<readonly [number, number]>>> = {
  "a bad token with `authRequired: false`": async () => ask("/", await bearer("ada", { exp: 1 })),
  "an ID token": async () => {
    const gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
    const { idToken } = await gate.loginWithPassword({ username: "ada", password: "Test-password-1!", scope: "openid" })
    await gate.close()
    return ask("/me", { authorization: `Bearer ${idToken}` })
  },
  "a client's own token": async () => ask("/me", await bearer(`service-account-${clientId}`)),
  "a token without `sub`": async () => ask("/me", await bearer("ada", { sub: undefined })),
  "a claim that `claimCheck` refuses": async () => ask("/admin", await bearer("ada")),
  "another scheme, such as `Basic`": () => ask("/me", { authorization: "Basic YWRhOnB3" }),
  "Keycloak's keys can't be fetched": async () => {
    const headers = await bearer("ada")
    const fresh = await startBothApis({ serverUrl: realm.url, realm: realm.name })
    await realm.goDown()
    const { before, after } = await fresh.ask("/me", headers)
    await realm.comeBack()
    await fresh.close()
    return [before.status, after.status]
  },
}

describe("what changes on purpose", () => {
  const rows = differencesIn("express-oauth2-jwt-bearer")

  it("is what the page says", () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(differences))
  })

  it.each(Object.entries(differences))("%s", async (what, tried) => {
    const [, before, after] = rows.find(([one]) => one === what) ?? []
    expect((await tried()).map(String)).toEqual([before, after])
    expect(before).not.toBe(after)
  })
})
