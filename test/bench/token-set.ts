import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import type { JWK } from "jose"

export const algorithms = ["RS256", "ES256", "EdDSA"] as const
export type Algorithm = (typeof algorithms)[number]
export type PublicKey = JWK & { readonly kid: string }

/** Tokens of many sessions of one realm, shaped as Keycloak's, with what is needed to check them. */
export interface TokenSet {
  readonly alg: Algorithm
  readonly count: number
  /** Value of an `Authorization` field, as a new string each time: a string used twice has its hash remembered. */
  readonly authorization: (index: number) => string
  /** The same with good signatures, to be refused all the same, by what is wrong with them. */
  readonly bad: Readonly<Record<string, string>>
  /** The same, good, with the key that the realm publishes only when it is told to. */
  readonly rotated: string
  readonly jwk: PublicKey
  readonly serverUrl: string
  readonly realm: string
  readonly issuer: string
  readonly certsUrl: string
  readonly audience: string
}

/** What minting leaves beside the tokens; nothing private. */
export interface MintedRealm {
  readonly port: number
  readonly keys: Readonly<Record<Algorithm, PublicKey>>
  readonly bad: Readonly<Record<Algorithm, Readonly<Record<string, string>>>>
  readonly rotated: { readonly jwk: PublicKey; readonly authorization: string }
  /** Of each line, with its line break: all tokens of one algorithm are of one length. */
  readonly lineBytes: Readonly<Record<Algorithm, number>>
  /** Seconds since 1970. */
  readonly expires: number
  readonly madeBy: string
}

export const folder = join(import.meta.dirname, "../../.cache/bench-realm")
export const realmFile = join(folder, "realm.json")
export const tokensFile = (alg: Algorithm): string => join(folder, `${alg}.txt`)
export const realmName = "shop"
export const issuerAt = (port: number): string => `http://127.0.0.1:${port}/realms/${realmName}`

/** Opens `count` of the tokens that `mintTokens` has made. */
export function openTokens(alg: Algorithm, count: number): TokenSet {
  const { port, keys, bad, rotated, lineBytes } = readRealm()
  const length = lineBytes[alg]
  const lines = readStart(tokensFile(alg), count * length)
  return {
    alg,
    count,
    authorization: index => lines.toString("latin1", index * length, (index + 1) * length - 1),
    bad: bad[alg],
    rotated: rotated.authorization,
    jwk: keys[alg],
    serverUrl: `http://127.0.0.1:${port}`,
    realm: realmName,
    issuer: issuerAt(port),
    certsUrl: `${issuerAt(port)}/protocol/openid-connect/certs`,
    audience: "shop-api",
  }
}

export function readRealm(): MintedRealm {
  return JSON.parse(readFileSync(realmFile, "utf8"))
}

/** Whether there are tokens, by this very program, that live for another day. */
export function isMinted(madeBy: string): boolean {
  if (!existsSync(realmFile)) return false
  const realm = readRealm()
  return realm.madeBy === madeBy && realm.expires > Date.now() / 1000 + 86_400
}

function readStart(file: string, bytes: number): Buffer {
  const start = Buffer.allocUnsafeSlow(bytes)
  const descriptor = openSync(file, "r")
  const read = readSync(descriptor, start, 0, bytes, 0)
  closeSync(descriptor)
  if (read < bytes) throw new Error(`${file} holds ${read} bytes, not ${bytes}`)
  return start
}
