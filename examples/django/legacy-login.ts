import { scrypt, timingSafeEqual } from "node:crypto"
import { promisify } from "node:util"
import type { LegacyLogin } from "keycloak-gate"
import type { Pool } from "pg"

const hashOf = promisify<string, string, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

/** Lets people move at their login whose passwords Django has hashed with scrypt, which Keycloak can't read. */
export function createDjangoLegacyLogin(pool: Pick<Pool, "query">): LegacyLogin {
  return {
    async verify({ username, password }) {
      const { rows } = await pool.query(find, [username])
      // Two of them differ in case alone: nobody can tell who this is.
      const [row] = rows.length === 1 ? rows : []
      const isRight = await matches(password, row?.password ?? nobody)
      if (!isRight || row === undefined) return null
      return {
        key: row.id,
        username: row.username,
        email: row.email,
        firstName: row.first_name,
        lastName: row.last_name,
      }
    },
  }
}

const find = "SELECT * FROM auth_user WHERE subject IS NULL AND is_active AND lower(username) = lower($1)"

// An unknown name takes as long as a wrong password.
const nobody = `scrypt$16384$nobody$8$5$${Buffer.alloc(64).toString("base64")}`
const form = /^scrypt\$(\d+)\$([^$]+)\$(\d+)\$(\d+)\$([A-Za-z0-9+/]{86}==)$/

async function matches(password: string, stored: string): Promise<boolean> {
  const found = form.exec(stored)
  const [, N, salt = "", r, p, value = ""] = found ?? form.exec(nobody) ?? []
  const cost = { N: Number(N), r: Number(r), p: Number(p), maxmem: 128 * 1024 * 1024 }
  const hash = await hashOf(password, salt, 64, cost)
  return timingSafeEqual(hash, Buffer.from(value, "base64")) && found !== null
}
