import { randomBytes } from "node:crypto"
import type { FieldProblem } from "../errors.js"
import { inQuotes } from "../foreign-text.js"

/**
 * A hash of a password that was made elsewhere, as Keycloak stores one. Get it from `parseDjangoHash` or `parsePhcHash`, or make it
 * yourself.
 *
 * Keycloak takes any hash, and then refuses every login with a bad one. So `importUsers` checks each, and refuses by name what
 * Keycloak can't read.
 */
export interface PasswordHash {
  /** Keycloak's name: `pbkdf2-sha256`, `pbkdf2-sha512`, `pbkdf2` (of SHA-1) or `argon2`. It can't read any other. */
  readonly algorithm: string
  /** From 1 to 2,000,000; of argon2 the passes (`t`). */
  readonly iterations?: number | undefined
  /** The bytes of the salt as base64, with its padding. */
  readonly salt?: string | undefined
  /** The bytes of the hash as base64, with its padding. */
  readonly value?: string | undefined
  /** Of argon2 alone. */
  readonly argon2?: Argon2Parameters | undefined
}

/** What argon2 was given beside passes and salt. */
export interface Argon2Parameters {
  /** `id` for argon2id. */
  readonly type: "id" | "i" | "d"
  /** `1.3` for what other programs call `v=19`, and `1.0` for `v=16`. */
  readonly version: "1.3" | "1.0"
  /** In KiB (`m`), at most 262,144. */
  readonly memory: number
  /** Lanes (`p`), at most 64. */
  readonly parallelism: number
}

/** How Keycloak takes a password that is a hash. */
export interface HashCredential {
  readonly id: string
  readonly type: "password"
  readonly secretData: string
  readonly credentialData: string
}

/** Each attempt to log in costs Keycloak as much as the hash says: 10 million iterations took 18 s, 1 GiB ended the server (26.7.4). */
const maxIterations = 2_000_000
const maxMemory = 262_144
// Memory times passes: 256 MiB 16 times; and rounds of PBKDF2.
const maxWork = 4_194_304
const saltBytes = { pbkdf2: [1, 1024], argon2: [8, 1024] } as const
const valueBytes = [16, 512] as const
/** Of what a hash of PBKDF2 is put together. */
const blockBytes: Readonly<Record<string, number>> = { pbkdf2: 20, "pbkdf2-sha256": 32, "pbkdf2-sha512": 64 }

/** What Keycloak could not read, or could not bear; none: everybody with the right password gets in. */
export function hashProblems(hash: PasswordHash): readonly FieldProblem[] {
  const given: Partial<Record<keyof PasswordHash, unknown>> = typeof hash === "object" && hash !== null ? hash : {}
  const { algorithm, iterations, argon2 } = given
  if (!isOneOf(readable, algorithm)) return [problem("algorithm")]
  const salt = algorithm === "argon2" ? saltBytes.argon2 : saltBytes.pbkdf2
  const problems = [
    ...(isWhole(iterations, 1, maxIterations) ? [] : [problem("iterations", [1, maxIterations])]),
    ...(isBase64(given.salt, salt) ? [] : [problem("salt", salt)]),
    ...(isBase64(given.value, valueBytes) ? [] : [problem("value", valueBytes)]),
  ]
  if (algorithm === "argon2") return [...problems, ...argon2Problems(argon2, Number(iterations))]
  // Each block of the hash is iterated by itself.
  const blocks = Math.ceil(Buffer.from(String(given.value), "base64").length / (blockBytes[String(algorithm)] ?? 20))
  const isFine = problems.length > 0 || blocks * Number(iterations) <= maxWork
  return isFine ? problems : [problem("work", [maxWork])]
}

function argon2Problems(argon2: unknown, passes: number): readonly FieldProblem[] {
  const given: Partial<Record<keyof Argon2Parameters, unknown>> =
    typeof argon2 === "object" && argon2 !== null ? argon2 : {}
  const { type, version, memory, parallelism } = given
  const least = 8 * (isWhole(parallelism, 1, 64) ? Number(parallelism) : 1)
  const isFine = isWhole(memory, least, maxMemory)
  return [
    ...(isOneOf(["id", "i", "d"], type) ? [] : [problem("type")]),
    ...(isOneOf(["1.3", "1.0"], version) ? [] : [problem("version")]),
    ...(isFine ? [] : [problem("memory", [least, maxMemory])]),
    ...(isWhole(parallelism, 1, 64) ? [] : [problem("parallelism", [1, 64])]),
    ...(isFine && Number(memory) * passes > maxWork ? [problem("work", [maxWork])] : []),
  ]
}

/** Its algorithm, for a message; null where it has none, and may be anything. */
export function nameOf({ algorithm }: PasswordHash): string | null {
  return typeof algorithm === "string" ? inQuotes(algorithm) : null
}

const readable = ["pbkdf2-sha256", "pbkdf2-sha512", "pbkdf2", "argon2"]

/** Keycloak's own names, letter by letter; a list of one is none. */
function isOneOf(names: readonly unknown[], name: unknown): boolean {
  return names.includes(name)
}

function problem(part: string, params: readonly number[] = []): FieldProblem {
  return { field: "password", rule: `hash_${part}`, params }
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most
}

/** As Keycloak reads it: with padding, in the alphabet with `+` and `/`. */
function isBase64(text: unknown, [least, most]: readonly [number, number]): boolean {
  if (typeof text !== "string" || text.length > 4096) return false
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text && bytes.length >= least && bytes.length <= most
}

/** A hash that was checked, for an account. Without a date: a realm whose passwords expire would refuse an old one at once. */
export function toCredential(id: string, { algorithm, iterations, salt, value, argon2 }: PasswordHash): HashCredential {
  const additionalParameters = argon2 && {
    hashLength: [String(Buffer.from(value ?? "", "base64").length)],
    memory: [String(argon2.memory)],
    type: [argon2.type],
    version: [argon2.version],
    parallelism: [String(argon2.parallelism)],
  }
  return {
    id,
    type: "password",
    secretData: JSON.stringify({ value, salt }),
    credentialData: JSON.stringify({ hashIterations: iterations, algorithm, ...(argon2 && { additionalParameters }) }),
  }
}

/**
 * The hash of no password at all, since nothing is known that has these bytes. Made as Keycloak makes its own, so that a wrong
 * password takes as long as one of other people.
 */
export function hashOfNothing(): PasswordHash {
  return {
    algorithm: "argon2",
    iterations: 5,
    salt: randomBytes(16).toString("base64"),
    value: randomBytes(32).toString("base64"),
    argon2: { type: "id", version: "1.3", memory: 7168, parallelism: 1 },
  }
}
