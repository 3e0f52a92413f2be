import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createMariaDbPool, createMariaDbStore } from "../../examples/stores/mariadb.ts"
import { openStore } from "../../examples/stores/open-store.ts"
import { createPostgresPool, createPostgresStore } from "../../examples/stores/postgres.ts"
import type { UserProfile } from "../../src/index.js"
import { createTestDatabase } from "./mariadb.ts"
import { createTestSchema } from "./postgres.ts"

const ada: UserProfile = {
  issuer: "https://sso.example/realms/limits",
  subject: "ada",
  username: "ada",
  email: null,
  emailVerified: false,
  firstName: null,
  lastName: null,
  custom: {},
  asOf: new Date("2026-01-01T10:00:00Z"),
}
/** What the gate gives a store by default; a machine with other things to do has this much patience too. */
const storeTimeoutMs = 30_000

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  const started = performance.now()
  const error = await work.then(
    () => expect.unreachable("it was done"),
    (thrown: unknown) => thrown,
  )
  expect(performance.now() - started).toBeLessThan(storeTimeoutMs)
  return error
}

describe("the pools of the examples", () => {
  it("end a statement that waits for a lock of somebody else: PostgreSQL", async () => {
    const { pool, url, drop } = await createTestSchema()
    const other = await pool.connect()
    await other.query("BEGIN; LOCK TABLE app_user")
    const limited = createPostgresPool(url)
    const error = await failureOf(createPostgresStore(limited).saveUser(ada))
    expect(error).toMatchObject({ code: "57014" })
    await other.query("ROLLBACK")
    await createPostgresStore(limited).saveUser(ada)
    other.release()
    await limited.end()
    await drop()
  })

  it("end a statement that waits for a lock of somebody else: MariaDB", async () => {
    const { url, drop } = await createTestDatabase()
    const opened = await openStore({ PG_URL: "", MARIADB_URL: url })
    await opened.userStore.saveUser(ada)
    const pool = createMariaDbPool(url)
    const other = await pool.getConnection()
    await other.query("START TRANSACTION")
    await other.query("SELECT * FROM app_user FOR UPDATE")
    expect(await failureOf(opened.userStore.saveUser(ada))).toMatchObject({ errno: 1969 })
    await other.query("ROLLBACK")
    await opened.userStore.saveUser(ada)
    other.release()
    await pool.end()
    await opened.close()
    await drop()
  })

  describe("give up a server that accepts and never answers", () => {
    let server: Server
    const sockets: Socket[] = []
    let port: number
    beforeAll(async () => {
      server = createServer(socket => sockets.push(socket.on("error", () => undefined))).listen(0, "127.0.0.1")
      await once(server, "listening")
      port = (server.address() as { port: number }).port
    })
    afterAll(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })

    it("PostgreSQL", async () => {
      const pool = createPostgresPool(`postgres://nobody@127.0.0.1:${port}/test`)
      await failureOf(createPostgresStore(pool).findUser(ada))
      await pool.end()
    })

    it("MariaDB", async () => {
      const pool = createMariaDbPool(`mysql://nobody@127.0.0.1:${port}/test`)
      await failureOf(createMariaDbStore(pool).findUser(ada))
      await pool.end()
    })
  })
})
