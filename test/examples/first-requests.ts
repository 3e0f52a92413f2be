/**
 * One of several processes that meet one person for the first time: `node first-requests.ts <kind> <issuer> <count>`,
 * with the table in the environment. Waits for a message, saves, sends the ids of the rows it was given.
 */
import { once } from "node:events"
import { type StoreKind, storeKinds } from "./store-kinds.ts"

const [kind = "", issuer = "", count = "0"] = process.argv.slice(2)
const store = await storeKinds[kind as StoreKind](process.env)
const names = { username: "ada", email: "ada@shop.example", firstName: "Ada", lastName: "Lovelace", custom: {} }
const profile = { issuer, subject: "first", ...names, emailVerified: false, asOf: new Date() }

process.send?.("ready")
await once(process, "message")
const saves = Array.from({ length: Number(count) }, () => store.userStore.saveUser(profile))
const rows = await Promise.all(saves)
process.send?.(rows.map(({ id }) => String(id)))
await store.close()
process.disconnect()
