import { createConnection } from "mysql2/promise"

export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** An empty database of its own on the real server. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const url = new URL(process.env.MARIADB_URL ?? "mysql://root@127.0.0.1:3306/test")
  const connection = await createConnection({ uri: url.href, connectTimeout: 5000 }).catch(({ code, message }) => {
    throw new Error(
      `NO MARIADB at ${url.host}${url.pathname} (${code ?? message}): these tests run against a real one. Start it there, ` +
        "or set MARIADB_URL to another database, for example mysql://user:password@host:3306/test.",
    )
  })
  url.pathname = `/gate_examples_${process.pid}_${Date.now()}`
  const name = url.pathname.slice(1)
  await connection.query(`CREATE DATABASE ${name}`)
  return {
    url: url.href,
    async drop() {
      await connection.query(`DROP DATABASE ${name}`)
      await connection.end()
    },
  }
}
