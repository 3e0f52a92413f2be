import fc from "fast-check"
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createGate, type Gate, type SignatureAlgorithm } from "../../src/index.js"
import { tokenChange, withTokenChange } from "../fuzz/recipes.ts"
import { read, stricterRules } from "../fuzz/stricter-rules.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

type Algorithms = SignatureAlgorithm[]
const algorithms: Algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
]
const edith = { username: "edith", password: "Edith-2026!" }

/** The shop with one more client per algorithm, all of them for the audience `shop-api`. */
async function shopWithClients(name: string, signedWith: readonly string[], curve = "Ed25519"): Promise<TestClient> {
  return changedShop(name, (realm, client) => {
    for (const alg of signedWith) {
      const attributes = { "access.token.signed.response.alg": alg }
      realm.clients.push({ ...client, clientId: `web-${alg}`, serviceAccountsEnabled: false, attributes })
    }
    realm.components = {
      "org.keycloak.keys.KeyProvider": [
        {
          name: "edwards",
          providerId: "eddsa-generated",
          config: { eddsaEllipticCurveKey: [curve], priority: ["200"] },
        },
      ],
    }
  })
}

// Keycloak makes the key of an algorithm when it first signs with it, which takes its time for RSA.
function tokenOf(shop: TestClient, alg: string): Promise<string> {
  const gate = createGate({ ...shop, clientId: `web-${alg}`, timeoutMs: 60_000, onEvent: () => undefined })
  return gate.loginWithPassword(edith).then(({ accessToken }) => accessToken)
}

const present = (gate: Gate<null>, token: string) => gate.verifyBearer(`Bearer ${token}`, {})
const realms = ["shop-algorithms", "shop-ed448"]
let shop: TestClient
const tokens = new Map<string, string>()
beforeAll(async () => {
  shop = await shopWithClients("shop-algorithms", algorithms)
  for (const alg of algorithms) tokens.set(alg, await tokenOf(shop, alg))
}, 600_000)
afterAll(async () => {
  for (const realm of realms) await adminFetch("DELETE", `/realms/${realm}`)
})

describe("a token that the real server signs with", () => {
  it.each(algorithms)(
    "%s is verified, and not with a changed signature or by a gate that does not allow it",
    async alg => {
      const token = tokens.get(alg) ?? ""
      expect(decodeProtectedHeader(token)).toMatchObject({ alg, typ: "JWT" })
      expect(await present(createGate(shop), token)).toMatchObject({ username: "edith" })

      const changed = withTokenChange(token, { kind: "flip a byte of the signature", at: 0.5, letter: "" })
      await expect(present(createGate(shop), changed)).rejects.toMatchObject({ reason: "signature" })
      const others = createGate({ ...shop, algorithms: algorithms.filter(other => other !== alg) })
      await expect(present(others, token)).rejects.toMatchObject({ reason: "algorithm" })
      const alone = createGate({ ...shop, algorithms: [alg] })
      expect(await present(alone, token)).toMatchObject({ username: "edith" })
    },
  )

  it("EdDSA on the curve Ed448 is verified, which jose can't do", async () => {
    const other = await shopWithClients("shop-ed448", ["EdDSA"], "Ed448")
    const token = await tokenOf(other, "EdDSA")
    const [, , signature = ""] = token.split(".")
    expect(Buffer.from(signature, "base64url").length).toBe(114)
    expect(await present(createGate(other), token)).toMatchObject({ username: "edith" })
    const changed = withTokenChange(token, { kind: "flip a byte of the signature", at: 0.5, letter: "" })
    await expect(present(createGate(other), changed)).rejects.toMatchObject({ reason: "signature" })
  })

  it("a shared secret (HS256) is refused: nobody but Keycloak could check it", async () => {
    const [client] = (await (await adminFetch("GET", `/realms/${shop.realm}/clients?clientId=web-RS256`)).json()) as [
      { id: string; attributes: object },
    ]
    const attributes = { ...client.attributes, "access.token.signed.response.alg": "HS256" }
    await adminFetch("PUT", `/realms/${shop.realm}/clients/${client.id}`, { ...client, attributes })
    const token = await tokenOf(shop, "RS256")
    expect(decodeProtectedHeader(token).alg).toBe("HS256")
    await expect(present(createGate(shop), token)).rejects.toMatchObject({ reason: "algorithm" })
  })
})

it("2,000 changed tokens of the real server get jose's verdict or break a named stricter rule", async () => {
  const certs = `${inject("keycloak").url}/realms/${shop.realm}/protocol/openid-connect/certs`
  const oracle = createLocalJWKSet((await (await fetch(certs)).json()) as JSONWebKeySet)
  const gate = createGate({ ...shop, onEvent: () => undefined })
  const issuer = `${shop.serverUrl}/realms/${shop.realm}`
  const partOf = fc.constantFrom<string>(...algorithms)
  const cases = fc.tuple(partOf, partOf, partOf, fc.array(tokenChange, { maxLength: 2 }))
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(cases, async ([ofHeader, ofPayload, ofSignature, changes]) => {
      const parts = [ofHeader, ofPayload, ofSignature].map((alg, index) => tokens.get(alg)?.split(".")[index])
      const token = changes.reduce(withTokenChange, parts.join("."))
      const options = { issuer, audience: "shop-api", algorithms, clockTolerance: 5 }
      const jose = await jwtVerify(token, oracle, options).then(Boolean, () => false)
      const reading = jose ? read(token, Date.now() / 1000) : null
      const expected = reading !== null && !stricterRules.some(({ isBroken }) => isBroken(reading))
      const verdict = await present(gate, token).then(Boolean, error => {
        if (error.code !== "invalid_token" && error.code !== "invalid_request") throw error
        return false
      })
      if (verdict) accepted += 1
      expect(verdict).toBe(expected)
    }),
    { numRuns: 2000, examples: algorithms.map((alg): [[string, string, string, []]] => [[alg, alg, alg, []]]) },
  )
  expect(accepted).toBeGreaterThanOrEqual(algorithms.length)
})
