import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import type { JWK } from "jose"
import { type Issuer, startIssuer } from "../support/issuer.ts"
import { listen } from "./listen.ts"

export const algorithms = ["RS256", "ES256", "EdDSA"] as const
export type Algorithm = (typeof algorithms)[number]

/** Tokens of many sessions of one realm, shaped as Keycloak's, with what is needed to check them. */
export interface TokenSet {
  readonly alg: Algorithm
  readonly count: number
  /** Value of an `Authorization` field, as a new string each time: a string used twice has its hash remembered. */
  readonly authorization: (index: number) => string
  /** Tokens with good signatures that are to be refused all the same, by what is wrong with them. */
  readonly bad: Readonly<Record<string, string>>
  readonly jwk: JWK & { readonly kid: string }
  readonly serverUrl: string
  readonly realm: string
  readonly issuer: string
  readonly certsUrl: string
  readonly audience: string
}

interface Realm {
  readonly port: number
  readonly keys: Readonly<Record<Algorithm, JWK & { readonly kid: string }>>
  readonly bad: Readonly<Record<Algorithm, Readonly<Record<string, string>>>>
  /** Of each line, with its line break: all tokens of one algorithm are of one length. */
  readonly lineBytes: Readonly<Record<Algorithm, number>>
  readonly mintedAt: number
}

const counts: Readonly<Record<Algorithm, number>> = { RS256: 100_000, ES256: 10_000, EdDSA: 10_000 }
const realmName = "shop"
const audience = "shop-api"
const folder = join(import.meta.dirname, "../../.cache/bench-realm")
const realmFile = join(folder, "realm.json")
const tokensFile = (alg: Algorithm) => join(folder, `${alg}.txt`)
const year = 365 * 86_400

/** Opens what `serveRealm` has minted; `count` of them. */
export function openTokens(alg: Algorithm, count: number = counts[alg]): TokenSet {
  const { port, keys, bad, lineBytes } = readRealm()
  const length = lineBytes[alg]
  const lines = readStart(tokensFile(alg), count * length)
  const serverUrl = `http://127.0.0.1:${port}`
  const issuer = `${serverUrl}/realms/${realmName}`
  return {
    alg,
    count,
    authorization: index => lines.toString("latin1", index * length, (index + 1) * length - 1),
    bad: bad[alg],
    jwk: keys[alg],
    serverUrl,
    realm: realmName,
    issuer,
    certsUrl: `${issuer}/protocol/openid-connect/certs`,
    audience,
  }
}

/** A realm that publishes its keys, and nothing else that is asked of it in a benchmark. */
export interface ServedRealm {
  /** How often the keys were fetched. */
  readonly fetches: () => number
  readonly close: () => Promise<void>
}

/**
 * Mints the tokens if that was not done before (a minute: RSA signs slowly) and serves the keys.
 *
 * Their private keys are gone with the process that made them; the tokens are valid for a year, and good for nothing
 * but these measurements.
 */
export async function serveRealm(log: (line: string) => void): Promise<ServedRealm> {
  if (!minted()) {
    log("Minting 120,000 tokens; they are kept for the next time.")
    await mintAll()
  }
  return serve(readRealm())
}

function minted(): boolean {
  if (!existsSync(realmFile)) return false
  return Date.now() / 1000 - readRealm().mintedAt < year / 2
}

function readRealm(): Realm {
  return JSON.parse(readFileSync(realmFile, "utf8"))
}

async function serve({ port, keys }: Realm): Promise<ServedRealm> {
  let fetches = 0
  const base = `http://127.0.0.1:${port}/realms/${realmName}`
  const certs = JSON.stringify({ keys: Object.values(keys) })
  const discovery = JSON.stringify({ issuer: base, jwks_uri: `${base}/protocol/openid-connect/certs` })
  const server = createServer((request, response) => {
    const asksForKeys = request.url?.endsWith("/certs") === true
    if (asksForKeys) fetches += 1
    response.setHeader("content-type", "application/json").end(asksForKeys ? certs : discovery)
  })
  const { close } = await listen(server, port).catch((cause: unknown) => {
    throw new Error(`Can't serve the realm: does another benchmark run here? If not, delete ${folder}.`, { cause })
  })
  return { fetches: () => fetches, close }
}

async function mintAll(): Promise<void> {
  mkdirSync(folder, { recursive: true })
  // Below the ports that systems give to outgoing connections.
  const port = 20_000 + Math.floor(Math.random() * 10_000)
  const issuer = await startIssuer(realmName)
  const iss = `http://127.0.0.1:${port}/realms/${realmName}`
  const exp = Math.floor(Date.now() / 1000) + year
  const realm = {
    port,
    keys: {} as Record<string, unknown>,
    bad: {} as Record<string, unknown>,
    lineBytes: {} as Record<string, number>,
  }
  for (const alg of algorithms) {
    await issuer.rotate(alg)
    realm.keys[alg] = await publishedKey(issuer)
    const bad = {
      "of another issuer": { iss: `${iss}2`, exp },
      "for another audience": { iss, exp, aud: ["another-api"] },
      "that has expired": { iss, exp: Math.floor(Date.now() / 1000) - 3600 },
    }
    const entries = Object.entries(bad).map(async ([what, claims]) => [what, `Bearer ${await issuer.mint({ claims })}`])
    realm.bad[alg] = Object.fromEntries(await Promise.all(entries))
    const lines: string[] = []
    while (lines.length < counts[alg]) {
      const tokens = await Promise.all(Array.from({ length: 500 }, () => issuer.mint({ claims: { iss, exp } })))
      lines.push(...tokens.map(token => `Bearer ${token}\n`))
    }
    const lengths = new Set(lines.map(line => line.length))
    if (lengths.size > 1) throw new Error("minted tokens of different lengths")
    realm.lineBytes[alg] = [...lengths][0] ?? 0
    writeFileSync(tokensFile(alg), lines.join(""), "latin1")
  }
  await issuer.close()
  // Last, and at once: whoever sees it finds the tokens complete.
  writeFileSync(`${realmFile}.part`, JSON.stringify({ ...realm, mintedAt: Math.floor(Date.now() / 1000) }))
  renameSync(`${realmFile}.part`, realmFile)
}

async function publishedKey({ issuer, kid }: Issuer): Promise<unknown> {
  const { keys } = (await (await fetch(`${issuer}/protocol/openid-connect/certs`)).json()) as { keys: JWK[] }
  return keys.find(key => key.kid === kid())
}

function readStart(file: string, bytes: number): Buffer {
  const start = Buffer.allocUnsafeSlow(bytes)
  const descriptor = openSync(file, "r")
  const read = readSync(descriptor, start, 0, bytes, 0)
  closeSync(descriptor)
  if (read < bytes) throw new Error(`${file} holds ${read} bytes, not ${bytes}`)
  return start
}
