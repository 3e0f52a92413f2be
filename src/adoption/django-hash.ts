import type { PasswordHash } from "./password-hash.js"
import { parsePhcHash } from "./phc-hash.js"

/**
 * The hash in the `password` column of a Django table, for `importUsers`; null where nobody can log in with it: an unusable
 * password (`!…`), an empty text, or what has not the form of a hash.
 *
 * Of a hasher that Keycloak has no word for (bcrypt, scrypt, MD5, your own), the result is its name alone. `importUsers` refuses it then.
 *
 * @see https://docs.djangoproject.com/en/5.2/topics/auth/passwords/#how-django-stores-passwords
 */
export function parseDjangoHash(text: string | null | undefined): PasswordHash | null {
  if (typeof text !== "string" || text === "" || text.startsWith("!")) return null
  if (text.startsWith("argon2$")) return parsePhcHash(text.slice("argon2".length))
  const [hasher = "", ...parts] = text.split("$")
  const algorithm = Object.hasOwn(algorithms, hasher) ? algorithms[hasher] : undefined
  if (algorithm !== undefined) return pbkdf2(algorithm, parts)
  if (/^[a-z][a-z0-9_]{0,63}$/.test(hasher) && parts.length > 1) return { algorithm: hasher }
  // Before Django 1.4, and what came from there, MD5 stood without any name.
  return /^[0-9a-f]{32}$/i.test(text) ? { algorithm: "unsalted_md5" } : null
}

const algorithms: Readonly<Record<string, string>> = {
  pbkdf2_sha256: "pbkdf2-sha256",
  pbkdf2_sha1: "pbkdf2",
  // Of no hasher that Django ships, and of many that people wrote after its example.
  pbkdf2_sha512: "pbkdf2-sha512",
}

/** What is wrong with its parts, the check of every hash says. */
function pbkdf2(algorithm: string, parts: readonly string[]): PasswordHash {
  const [iterations = "", salt = "", value = ""] = parts.length === 3 ? parts : []
  return {
    algorithm,
    iterations: /^\d{1,15}$/.test(iterations) ? Number(iterations) : Number.NaN,
    // Django hashes with the letters of the salt, as UTF-8.
    salt: Buffer.from(salt).toString("base64"),
    value,
  }
}
