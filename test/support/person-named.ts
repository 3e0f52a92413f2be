import type { PasswordCredentials, Registration } from "../../src/index.js"

/** Somebody whom every test realm takes. */
export function personNamed(username: string): Registration & PasswordCredentials {
  const names = { firstName: "Ada", lastName: "Lovelace" }
  return { username, email: `${username}@example.test`, ...names, password: "Difference-Engine-1822!" }
}
