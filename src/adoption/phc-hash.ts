import type { Argon2Parameters, PasswordHash } from "./password-hash.js"

/**
 * A hash in the PHC string format (`$argon2id$v=19$m=65536,t=3,p=4$salt$hash`), for `importUsers`; null for what has not this
 * form. The PBKDF2 of Python's passlib, which has no names for its numbers, is read as well.
 *
 * Of a hash that Keycloak has no word for (bcrypt, scrypt), the result is its name alone. `importUsers` refuses it then.
 *
 * @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
 */
export function parsePhcHash(text: string | null | undefined): PasswordHash | null {
  if (typeof text !== "string") return null
  const [before, id = "", ...parts] = text.split("$")
  if (before !== "" || !/^[a-z0-9-]{1,32}$/.test(id) || parts.length === 0) return null
  const argon2 = /^argon2(id|i|d)$/.exec(id)?.[1]
  if (argon2 !== undefined) return argon2Hash(argon2 as Argon2Parameters["type"], parts)
  const algorithm = Object.hasOwn(pbkdf2Names, id) ? pbkdf2Names[id] : undefined
  return algorithm === undefined ? { algorithm: id } : pbkdf2Hash(algorithm, parts)
}

const pbkdf2Names: Readonly<Record<string, string>> = {
  pbkdf2: "pbkdf2",
  "pbkdf2-sha1": "pbkdf2",
  "pbkdf2-sha256": "pbkdf2-sha256",
  "pbkdf2-sha512": "pbkdf2-sha512",
}

function argon2Hash(type: Argon2Parameters["type"], parts: readonly string[]): PasswordHash {
  // Before version 19, which is 1.3, there was none to name.
  const [version, ...rest] = parts[0]?.startsWith("v=") ? [parts[0].slice(2), ...parts.slice(1)] : ["16", ...parts]
  const [parameters = "", salt = "", value = ""] = rest.length === 3 ? rest : []
  const given = readParameters(parameters)
  // A hash with a secret key, or with data of its own, is one that Keycloak could never make again.
  if (given.has("keyid") || given.has("data")) return { algorithm: `argon2${type} with a key` }
  return {
    algorithm: "argon2",
    iterations: numberOf(given.get("t")),
    salt: padded(salt),
    value: padded(value),
    argon2: {
      type,
      version: versionOf(version) as Argon2Parameters["version"],
      memory: numberOf(given.get("m")),
      parallelism: numberOf(given.get("p")),
    },
  }
}

/** As Keycloak calls them. */
function versionOf(version: string | undefined): string | undefined {
  if (version === "16") return "1.0"
  return version === "19" ? "1.3" : version
}

function pbkdf2Hash(algorithm: string, parts: readonly string[]): PasswordHash {
  const [parameters = "", salt = "", value = ""] = parts.length === 3 ? parts : []
  const iterations = /^\d+$/.test(parameters) ? parameters : readParameters(parameters).get("i")
  return { algorithm, iterations: numberOf(iterations), salt: padded(salt), value: padded(value) }
}

/** `m=65536,t=3,p=4`. */
function readParameters(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(",").map(part => [part.split("=")[0] ?? "", part.slice(part.indexOf("=") + 1)] as const))
}

/** No number where there is none, or one that is written in another way: the check of every hash refuses it. */
function numberOf(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
}

/** PHC writes base64 without padding, and passlib a dot for the plus. */
function padded(text: string): string {
  const plain = text.replaceAll(".", "+").replace(/=+$/, "")
  return plain + "=".repeat((4 - (plain.length % 4)) % 4)
}
