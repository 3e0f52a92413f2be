import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import type { JWK } from "jose"
import { type Issuer, startIssuer } from "../support/issuer.ts"
import {
  type Algorithm,
  algorithms,
  folder,
  isMinted,
  issuerAt,
  type MintedRealm,
  type PublicKey,
  realmFile,
  realmName,
  tokensFile,
} from "./token-set.ts"

const counts: Readonly<Record<Algorithm, number>> = { RS256: 100_000, ES256: 10_000, EdDSA: 10_000 }
const year = 365 * 86_400

/**
 * Makes the tokens of all measurements, unless they are there already: RSA signs slowly, and this takes a minute.
 *
 * Their private keys are gone with the process that made them; the tokens are valid for a year, and good for nothing
 * but these measurements.
 */
export async function mintTokens(log: (line: string) => void): Promise<void> {
  const madeBy = createHash("sha256")
    .update(readFileSync(import.meta.filename))
    .digest("hex")
  if (isMinted(madeBy)) return
  log("Minting 120,000 tokens; they are kept for the next time.")
  mkdirSync(folder, { recursive: true })
  // Below the ports that systems give to outgoing connections.
  const port = 20_000 + Math.floor(Math.random() * 10_000)
  const issuer = await startIssuer(realmName)
  const now = Math.floor(Date.now() / 1000)
  const expires = now + year
  const good = { iss: issuerAt(port), exp: expires }
  const wrong = {
    "of another issuer": { ...good, iss: issuerAt(port + 1) },
    "for another audience": { ...good, aud: ["another-api"] },
    "that has expired": { ...good, exp: now - 3600 },
  }
  const header = async (claims: object) => `Bearer ${await issuer.mint({ claims: { ...claims } })}`

  async function mintAll(alg: Algorithm): Promise<{ key: PublicKey; bad: Record<string, string>; lineBytes: number }> {
    await issuer.rotate(alg)
    const bad: Record<string, string> = {}
    for (const [what, claims] of Object.entries(wrong)) bad[what] = await header(claims)
    const lines: string[] = []
    while (lines.length < counts[alg]) {
      lines.push(...(await Promise.all(Array.from({ length: 500 }, async () => `${await header(good)}\n`))))
    }
    const [lineBytes = 0, ...others] = new Set(lines.map(line => line.length))
    if (others.length > 0) throw new Error("minted tokens of different lengths")
    writeFileSync(tokensFile(alg), lines.join(""), "latin1")
    return { key: await publishedKey(issuer), bad, lineBytes }
  }

  const minted = { RS256: await mintAll("RS256"), ES256: await mintAll("ES256"), EdDSA: await mintAll("EdDSA") }
  await issuer.rotate("RS256")
  const realm: MintedRealm = {
    port,
    keys: byAlgorithm(alg => minted[alg].key),
    bad: byAlgorithm(alg => minted[alg].bad),
    lineBytes: byAlgorithm(alg => minted[alg].lineBytes),
    rotated: { jwk: await publishedKey(issuer), authorization: await header(good) },
    expires,
    madeBy,
  }
  await issuer.close()
  // Last, and at once: whoever sees it finds the tokens complete.
  writeFileSync(`${realmFile}.part`, JSON.stringify(realm))
  renameSync(`${realmFile}.part`, realmFile)
}

async function publishedKey({ issuer, kid }: Issuer): Promise<PublicKey> {
  const { keys } = (await (await fetch(`${issuer}/protocol/openid-connect/certs`)).json()) as { keys: JWK[] }
  return keys.find(key => key.kid === kid()) as PublicKey
}

function byAlgorithm<Value>(make: (alg: Algorithm) => Value): Record<Algorithm, Value> {
  return Object.fromEntries(algorithms.map(alg => [alg, make(alg)])) as Record<Algorithm, Value>
}
