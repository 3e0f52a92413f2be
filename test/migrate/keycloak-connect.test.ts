import { request } from "node:http"
import express, { type RequestHandler } from "express"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { authenticate, requireUser } from "../../src/adapters/express.js"
import { createGate, isGateError } from "../../src/index.js"
import { requirementsFrom } from "../../src/migrate/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { listen } from "../adapters/listen.ts"
import {
  answerOf,
  type BothApplications,
  clientId,
  createProtect,
  differencesIn,
  startBoth,
} from "../support/both-applications.ts"

let realm: TestRealm
let both: BothApplications
beforeAll(async () => {
  realm = await startTestRealm()
  for (const [username, roles] of Object.entries(people)) realm.addUser({ username, ...roles })
  both = await startBoth({ serverUrl: realm.url, realm: realm.name })
})
afterAll(async () => {
  await both.close()
  await realm.stop()
})

const people = {
  nobody: {},
  special: { clientRoles: { [clientId]: ["special"] } },
  extra: { clientRoles: { "other-app": ["special"] } },
  admin: { realmRoles: ["admin"] },
  nicepants: { realmRoles: ["nicepants"] },
  fancypants: { clientRoles: { [clientId]: ["mr-fancypants"] } },
  reporter: { clientRoles: { [clientId]: ["reports"] } },
  // Named as roles elsewhere, and so without rights here.
  mistaken: {
    realmRoles: ["special", "reports", "mr-fancypants"],
    clientRoles: { [clientId]: ["admin", "nicepants"] },
  },
}
const all = Object.keys(people)

async function bearer(username: string, claims: Record<string, unknown> = {}): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await realm.issueToken(username, claims)}` }
}

describe("the routes of keycloak-connect's documentation, before and after", () => {
  it.each([
    ["/", all],
    ["/complain", all],
    ["/special", ["special"]],
    ["/extra-special", ["extra"]],
    ["/admin", ["admin"]],
    ["/fancy/trousers", ["nicepants", "fancypants"]],
    ["/reports/july", ["reporter"]],
    ["/special/offers", ["special"]],
    ["/admin/people", ["mistaken"]],
  ])("let the same people in at %s, and call them by the same names", async (path, allowed) => {
    for (const username of all) {
      const { before, after } = await both.ask(path, await bearer(username))
      const isAllowed = allowed.includes(username)
      expect([username, before]).toEqual([
        username,
        { status: isAllowed ? 200 : 403, hello: isAllowed ? username : null },
      ])
      expect([username, after]).toEqual([username, before])
    }
  })

  it("greet a stranger where no token is needed", async () => {
    const { before, after } = await both.ask("/")
    expect(before).toEqual({ status: 200, hello: "stranger" })
    expect(after).toEqual(before)
  })

  it("take the scheme in small letters", async () => {
    const { authorization } = await bearer("nobody")
    const { before, after } = await both.ask("/complain", { authorization: authorization.replace("Bearer", "bearer") })
    expect([before.status, after.status]).toEqual([200, 200])
  })
})

type Statuses = readonly [before: number | string, after: number | string]

async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Statuses> {
  const { before, after } = await both.ask(path, headers)
  return [before.status, after.status]
}

/** What a guard of each library answers to a person; a route with it and nothing else. */
async function guarded(
  before: RequestHandler[],
  after: () => RequestHandler,
  headers: Readonly<Record<string, string>>,
): Promise<Statuses> {
  const gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
  const hello: RequestHandler = (_request, response) => void response.json({ hello: "you" })
  const made = await Promise.all(
    [() => before, () => [authenticate(gate), after()]].map(async handlers => {
      try {
        const server = await listen(express().get("/", ...handlers(), hello))
        const { status } = await answerOf(server.url, headers)
        await server.close()
        return status
      } catch (error) {
        if (isGateError(error) && error.code === "config_invalid") return "no start"
        throw error
      }
    }),
  )
  await gate.close()
  return [made[0] ?? 0, made[1] ?? 0]
}

function protect(spec: unknown, more: object = {}): Promise<RequestHandler[]> {
  const configuration = { realm: realm.name, resource: clientId, "auth-server-url": realm.url, "bearer-only": true }
  return createProtect({ ...configuration, ...more }).then(made => made(spec))
}

/** What the page says of a difference, and what tries it out. */
const differences: Readonly<Record<string, () => Promise<Statuses>>> = {
  "no token at a guarded route": () => ask("/complain"),
  "no token, and no `bearer-only`": async () =>
    guarded(await protect(undefined, { "bearer-only": false }), () => requireUser(), {}),
  "an expired token at a guarded route": async () => ask("/complain", await bearer("nobody", { exp: 1 })),
  "a forged token at a guarded route": async () => ask("/complain", forged(await bearer("nobody"))),
  "an expired token at an open route": async () => ask("/", await bearer("nobody", { exp: 1 })),
  "a forged token at an open route": async () => ask("/", forged(await bearer("nobody"))),
  "a token for another application": async () => ask("/complain", await bearer("nobody", { aud: "account" })),
  "a client's own token": async () => ask("/complain", await bearer(`service-account-${clientId}`)),
  "a token bound to a key of its client (DPoP)": async () =>
    ask("/complain", await bearer("nobody", { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } })),
  "a token without `sub`": async () => ask("/complain", await bearer("nobody", { sub: undefined })),
  "a token that expired two seconds ago": async () =>
    ask("/complain", await bearer("nobody", { exp: Math.floor(Date.now() / 1000) - 2 })),
  "a header that says `Bearer` alone": () => ask("/", { authorization: "Bearer" }),
  "two Authorization headers": async () => {
    const { authorization } = await bearer("nobody")
    return twice("/complain", authorization)
  },
  "Keycloak's keys can't be fetched": async () => {
    const headers = await bearer("nobody")
    const fresh = await startBoth({ serverUrl: realm.url, realm: realm.name })
    await realm.goDown()
    const { before, after } = await fresh.ask("/complain", headers)
    await realm.comeBack()
    await fresh.close()
    return [before.status, after.status]
  },
  '`protect("shop-api:orders:view")`, for the role `orders`': async () => {
    realm.addUser({ username: "orders", clientRoles: { [clientId]: ["orders"] } })
    const role = "shop-api:orders:view"
    return guarded(await protect(role), () => requireUser(requirementsFrom(role)), await bearer("orders"))
  },
  "`protect(async () => false)`": async () =>
    guarded(await protect(async () => false), () => requireUser({ allow: async () => false }), await bearer("nobody")),
  '`protect(["admin"])`, for somebody without that role': async () =>
    guarded(
      await protect(["admin"]),
      () => requireUser(requirementsFrom(["admin"], { clientId })),
      await bearer("nobody"),
    ),
  '`protect("")`': async () =>
    guarded(await protect(""), () => requireUser(requirementsFrom("", { clientId })), await bearer("nobody")),
}

function forged({ authorization }: { authorization: string }): { authorization: string } {
  const [header, payload, signature = ""] = authorization.split(".")
  return { authorization: [header, payload, signature.split("").reverse().join("")].join(".") }
}

describe("what changes on purpose", () => {
  const rows = differencesIn("What changes on purpose")

  it("is what the page says", () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(differences))
  })

  it.each(Object.entries(differences))("%s", async (what, tried) => {
    const [, before, after] = rows.find(([one]) => one === what) ?? []
    const statuses = await tried()
    expect(statuses.map(String)).toEqual([before, after])
    expect(before).not.toBe(after)
  })
})

/** A request with two fields of one name, which fetch would join. */
async function twice(path: string, authorization: string): Promise<Statuses> {
  const statuses: number[] = []
  for (const url of both.urls) {
    const headers = ["Host", new URL(url).host, "Authorization", authorization, "Authorization", authorization]
    statuses.push(
      await new Promise<number>((resolve, reject) => {
        const sent = request(url + path, { headers }, answer => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        })
        sent.on("error", reject).end()
      }),
    )
  }
  return [statuses[0] ?? 0, statuses[1] ?? 0]
}
