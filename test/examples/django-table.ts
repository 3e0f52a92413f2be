import { readFile } from "node:fs/promises"
import { createTestSchema, type TestSchema } from "./postgres.ts"

/** Who is in the table already. */
export interface OldPerson {
  readonly username: string
  readonly email?: string
  readonly firstName?: string
  readonly lastName?: string
  readonly password?: string
  readonly isActive?: boolean
}

export interface DjangoTable extends TestSchema {
  /** As Django writes a row, which knows nothing of Keycloak; its key. */
  add(person: OldPerson): Promise<number>
}

/** Django's own table with people in it, which then gets what Keycloak needs. */
export async function createDjangoTable(people: readonly OldPerson[] = []): Promise<DjangoTable> {
  const schema = await createTestSchema("../django/auth-user.sql")
  async function add(person: OldPerson): Promise<number> {
    const { username, email = "", firstName = "", lastName = "", password = "!", isActive = true } = person
    const insert = `
      INSERT INTO auth_user
        (username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined)
      VALUES ($1, $2, $3, $4, $5, $6, false, false, now()) RETURNING id`
    const values = [username, email, firstName, lastName, password, isActive]
    const { rows } = await schema.pool.query<{ id: number }>(insert, values)
    return rows[0]?.id ?? 0
  }
  for (const person of people) await add(person)
  await schema.pool.query(await readFile(new URL("../../examples/django/keycloak.sql", import.meta.url), "utf8"))
  return { ...schema, add }
}
