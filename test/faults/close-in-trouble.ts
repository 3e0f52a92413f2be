/** Closes a gate in the midst of the work that the environment names; whatever then keeps this process alive is a fault. */
import { createGate, memoryUserStore } from "keycloak-gate"

const { GATE_OPTIONS = "{}", WORK = "", TOKENS = "", SUBJECT = "" } = process.env
const rows = memoryUserStore()
const gate = createGate({
  ...JSON.parse(GATE_OPTIONS),
  userStore: {
    ...rows,
    saveUser: (...row: Parameters<typeof rows.saveUser>) =>
      WORK === "registering, with a store that hangs" ? new Promise<never>(() => undefined) : rows.saveUser(...row),
  },
  onEvent: () => undefined,
})
const person = {
  username: "grace",
  email: "grace@example.test",
  firstName: "Grace",
  lastName: "Hopper",
  password: "Compiler-1952!",
}
const works: Readonly<Record<string, () => readonly Promise<unknown>[]>> = {
  verifying: () => TOKENS.split(" ").map(token => gate.verifyBearer(`Bearer ${token}`)),
  "logging in": () => Array.from({ length: 20 }, () => gate.loginWithPassword({ username: "ada", password: "x" })),
  registering: () => [gate.registerUser(person)],
  "registering, with a store that hangs": () => [gate.registerUser(person)],
  "disabling an account": () => [gate.disableAccount(SUBJECT)],
  "sending a password reset": () => [gate.sendPasswordReset("ada@example.test")],
  nothing: () => [],
}
const work = (works[WORK] ?? (() => []))().map(one => one.catch(() => undefined))
await Promise.race([Promise.all(work), new Promise(resolve => setTimeout(resolve, 1000))])
await gate.close()
console.log("closed")
