import * as crypto from "node:crypto"

// As few iterations as can be, since a server checks them and a test makes them.
const iterations = 1000
const salt = "nacl0fdjang0"

/** A row's `password` column as Django writes it, for each hasher whose hashes Keycloak reads. */
export const djangoHashers: Readonly<Record<string, (password: string) => string>> = {
  pbkdf2_sha256: password => pbkdf2("pbkdf2_sha256", "sha256", 32, password),
  pbkdf2_sha1: password => pbkdf2("pbkdf2_sha1", "sha1", 20, password),
  argon2: password => `argon2${argon2("id", password)}`,
}

/** As programs in other languages write them. */
export const phcHashers: Readonly<Record<string, (password: string) => string>> = {
  argon2id: password => argon2("id", password),
  argon2i: password => argon2("i", password),
  argon2d: password => argon2("d", password),
  "pbkdf2-sha256": password => phcPbkdf2("pbkdf2-sha256", "sha256", 32, password),
  "pbkdf2-sha512": password => phcPbkdf2("pbkdf2-sha512", "sha512", 64, password),
  pbkdf2: password => phcPbkdf2("pbkdf2", "sha1", 20, password),
  passlib: password => {
    const value = crypto.pbkdf2Sync(password, salt, iterations, 32, "sha256")
    const ab64 = (bytes: Buffer) => unpadded(bytes).replaceAll("+", ".")
    return `$pbkdf2-sha256$${iterations}$${ab64(Buffer.from(salt))}$${ab64(value)}`
  },
}

function pbkdf2(name: string, digest: string, length: number, password: string): string {
  const value = crypto.pbkdf2Sync(password, salt, iterations, length, digest).toString("base64")
  return `${name}$${iterations}$${salt}$${value}`
}

function phcPbkdf2(name: string, digest: string, length: number, password: string): string {
  const value = crypto.pbkdf2Sync(password, salt, iterations, length, digest)
  return `$${name}$i=${iterations},l=${length}$${unpadded(Buffer.from(salt))}$${unpadded(value)}`
}

function argon2(type: "id" | "i" | "d", password: string): string {
  const nonce = Buffer.from(salt)
  const sizes = { parallelism: 2, tagLength: 32, memory: 1024, passes: 2 }
  const value = crypto.argon2Sync(`argon2${type}`, { message: password, nonce, ...sizes })
  return `$argon2${type}$v=19$m=1024,t=2,p=2$${unpadded(nonce)}$${unpadded(value)}`
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "")
}
