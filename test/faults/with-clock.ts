/** Registers, updates and syncs on a machine whose clock is wrong; tells the dates of the rows, by username. */
import { createGate, memoryUserStore, syncUsers } from "keycloak-gate"

const [serverUrl = "", realm = "", clientId = "", subject = "", aheadMs = "0", stepMs = "0"] = process.argv.slice(2)
const { CLIENT_SECRET: clientSecret = "" } = process.env

const rightNow = Date.now
let ahead = Number(aheadMs)
Date.now = () => rightNow() + ahead

const dates: Record<string, number> = {}
const { saveUser, ...store } = memoryUserStore()
const gate = createGate({
  ...{ serverUrl, realm, clientId, clientSecret },
  userStore: {
    ...store,
    saveUser(profile, extra) {
      dates[profile.username ?? ""] = profile.asOf.getTime() - rightNow()
      return saveUser(profile, extra)
    },
  },
})

const username = `eve-${process.pid}`
const names = { firstName: "Eve", lastName: "L" }
const eve = await gate.registerUser({
  username,
  email: `${username}@example.test`,
  ...names,
  password: "Eve-2026-eve!",
})
const registered = dates[username]
ahead += Number(stepMs)
await gate.updateAccount(subject, { firstName: "Augusta" })
const updated = dates.ada
await syncUsers(gate)
const listed = dates.ada
await gate.deleteAccount(eve.subject)
await gate.close()
console.log(JSON.stringify({ registered, updated, listed }))
