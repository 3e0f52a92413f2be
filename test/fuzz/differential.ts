import { generateKeyPairSync } from "node:crypto"
import fc from "fast-check"
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from "jose"
import { createGate, type Gate, isGateError, type Principal } from "keycloak-gate"
import { type Issuer, newKey, startIssuer } from "../support/issuer.ts"
import { cook, type FuzzKey, isMutant, type Recipe, recipes } from "./recipes.ts"
import { read, stricterRules } from "./stricter-rules.ts"

export interface Outcome {
  readonly cases: number
  readonly accepted: number
  /** Changed tokens whose signature is right all the same. */
  readonly signedMutants: number
  /** How often each rule of ours refused what jose accepts. */
  readonly byRule: ReadonlyMap<string, number>
}

const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
const tokensAtOnce = 20

/**
 * Makes `cases` tokens and compares every verdict of ours with jose's: it has to be jose's, unless the token breaks one of
 * the stricter rules, and then it has to be a refusal. Each token is presented to three gates, and twice to each: without
 * a cache, with one, and with one of four tokens. What is let in has exactly the claims that jose reads.
 *
 * The clock stands still meanwhile, so that no verdict depends on how long another one took.
 *
 * @throws what fast-check throws: the smallest recipe that fails, and the seed
 */
export async function compareWithJose(cases: number, seed: number): Promise<Outcome> {
  const realNow = Date.now
  const now = Math.floor(realNow() / 1000)
  Date.now = () => now * 1000
  const issuer = await startIssuer()
  const gates: Gate<null>[] = []
  try {
    const { keys, jwks } = await publishKeys(issuer)
    const base = { serverUrl: issuer.url, realm: issuer.realm, clientId: issuer.clientId, onEvent: () => undefined }
    for (const verifiedTokenCache of [false, undefined, { maxTokens: 4 }] as const) {
      gates.push(createGate({ ...base, verifiedTokenCache, userStore: undefined }))
    }
    const oracle = createLocalJWKSet(jwks)
    const usualClaims = issuer.claims()
    const outcome = { cases: 0, accepted: 0, signedMutants: 0, byRule: new Map<string, number>() }

    async function compare(recipe: Recipe): Promise<void> {
      const token = cook(recipe, keys, usualClaims)
      const options = { issuer: issuer.issuer, audience: issuer.clientId, clockTolerance: 5, algorithms }
      const [jose, ...ours] = await Promise.all([
        jwtVerify(token, oracle, { ...options, currentDate: new Date(now * 1000) }).then(
          ({ payload }) => ({ claims: payload, isSigned: true }),
          (error: unknown) => ({ claims: null, isSigned: isAboutClaims(error) }),
        ),
        ...gates.map(gate => verdictOf(gate, token)),
      ])
      // A second time, when the caches know it if they ever will.
      ours.push(...(await Promise.all(gates.map(gate => verdictOf(gate, token)))))

      const reading = jose.claims === null ? null : read(token, now)
      const broken = reading === null ? undefined : stricterRules.find(({ isBroken }) => isBroken(reading))
      const expected = jose.claims === null ? "refused" : broken === undefined ? JSON.stringify(jose.claims) : "refused"
      for (const verdict of ours) {
        if (verdict === expected) continue
        const what = verdict === "refused" ? "refuses what jose accepts and no rule names" : "does not do as jose does"
        const against = broken === undefined ? "" : `, against "${broken.name}"`
        throw new Error(`A gate ${verdict.startsWith("threw") ? verdict : what}${against}: ${JSON.stringify(recipe)}`)
      }
      outcome.cases += 1
      if (expected !== "refused") outcome.accepted += 1
      if (jose.isSigned && isMutant(recipe)) outcome.signedMutants += 1
      if (broken !== undefined) outcome.byRule.set(broken.name, (outcome.byRule.get(broken.name) ?? 0) + 1)
    }

    const together = fc.array(recipes(keys, issuer.issuer, now), { minLength: tokensAtOnce, maxLength: tokensAtOnce })
    await fc.assert(
      fc.asyncProperty(together, async some => {
        await Promise.all(some.map(compare))
      }),
      { numRuns: Math.ceil(cases / tokensAtOnce), seed },
    )
    return outcome
  } finally {
    for (const gate of gates) gate.close()
    await issuer.close()
    Date.now = realNow
  }
}

/** Its claims, `refused`, or what no caller should ever get. */
async function verdictOf(gate: Gate<null>, token: string): Promise<string> {
  let principal: Principal<null> | null
  try {
    principal = await gate.verifyBearer(`Bearer ${token}`)
  } catch (error) {
    if (isGateError(error) && (error.code === "invalid_token" || error.code === "invalid_request")) return "refused"
    return `threw ${isGateError(error) ? error.code : String(error)}`
  }
  return principal === null ? "threw nothing and let nobody in" : JSON.stringify(principal.claims)
}

/** jose looks at claims only when the signature was right. */
function isAboutClaims(error: unknown): boolean {
  return (
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTInvalid
  )
}

/** Good keys of several kinds, the quickest ones first, and keys that no token should be accepted with. */
async function publishKeys(issuer: Issuer): Promise<{ keys: readonly FuzzKey[]; jwks: JSONWebKeySet }> {
  const good = await Promise.all(
    ["ES256", "EdDSA", "EdDSA", "ES256", "ES384", "ES512", "RS256", "RS512", "PS256", "PS384"].map(newKey),
  )
  const others = await Promise.all(["ES256", "ES256", "ES256", "ES256", "ES256", "EdDSA", "RS256"].map(newKey))
  const changes: readonly Record<string, unknown>[] = [
    { kid: "k".repeat(300) },
    { use: "enc" },
    { key_ops: ["sign"] },
    { alg: "ES384" },
    { ...others[4]?.privateKey.export({ format: "jwk" }) },
    { alg: undefined, use: undefined },
    { alg: undefined },
  ]
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const strange = [
    ...others.map((key, index) => ({ ...key, jwk: { ...key.jwk, ...changes[index] } })),
    { ...weak, alg: "RS256", jwk: { ...weak.publicKey.export({ format: "jwk" }), kid: "weak", alg: "RS256" } },
  ]
  const all = [...good, ...strange]
  const jwks = all.map(({ jwk }) => JSON.parse(JSON.stringify(jwk)))
  for (const jwk of jwks) issuer.publish(jwk)
  return {
    keys: all.map(({ alg, privateKey, publicKey, jwk }) => ({
      kid: String(jwk.kid),
      alg,
      privateKey,
      publicPem: String(publicKey.export({ format: "pem", type: "spki" })),
    })),
    jwks: { keys: jwks },
  }
}
