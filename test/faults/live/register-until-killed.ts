/** Registers one person after the other, says so before and after each, and goes on until it is killed. */
import { writeSync } from "node:fs"
import { createGate } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "../../../examples/stores/postgres.ts"
import { personNamed } from "../../support/person-named.ts"

const [prefix = ""] = process.argv.slice(2)
const { CONNECTION = "", PG_URL = "" } = process.env
const gate = createGate({
  ...JSON.parse(CONNECTION),
  userStore: createPostgresStore(new pg.Pool({ connectionString: PG_URL })),
})

for (let count = 0; ; count++) {
  const person = personNamed(`${prefix}-${count}`)
  say({ began: person.username })
  const { subject } = await gate.registerUser(person, { plan: "pro" })
  say({ registered: person.username, subject })
}

/** Written at once: what is said has happened, even when the kill comes next. */
function say(what: object): void {
  writeSync(1, `${JSON.stringify(what)}\n`)
}
