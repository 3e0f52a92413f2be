import { type Mock, vi } from "vitest"
import { type LegacyLogin, type MemoryUserStore, memoryUserStore, type Person } from "../../src/index.js"
import { secrets } from "./refusal-of.ts"

/** Somebody of a table that is older than the realm. */
export interface OldPerson extends Person {
  readonly username: string
  readonly email: string
  readonly password: string
  /** What the application knows the row by for ever. */
  readonly oldId: string
}

/** An application's own table with passwords that only the application can check, as `legacyLogin` sees it. */
export interface OldTable {
  readonly store: MemoryUserStore
  readonly addPerson: (more?: Partial<OldPerson>) => OldPerson
  /** Another password in the old table. */
  readonly setPassword: (person: OldPerson, password: string) => void
  readonly verify: Mock<LegacyLogin["verify"]>
}

let count = 0

export function createOldTable(): OldTable {
  const store = memoryUserStore()
  const people: { person: OldPerson; password: string }[] = []
  return {
    store,
    addPerson(more) {
      const username = more?.username ?? `old-${count++}`
      const email = `${username.replaceAll("@", "-at-")}@example.test`
      const names = { firstName: "Old", lastName: "Person" }
      const oldId = `row-${count++}`
      const key = more?.key ?? store.addUnlinked({ username, email, extra: { oldId } })
      const person = { key, username, email, ...names, password: secrets.password, oldId, ...more }
      people.push({ person, password: person.password })
      return person
    },
    setPassword(person, password) {
      for (const one of people) if (one.person === person) one.password = password
    },
    /** By username or e-mail as typed, as most applications do. */
    verify: vi.fn(async ({ username, password }) => {
      const found = people.find(
        one => [one.person.username, one.person.email].includes(username) && one.password === password,
      )
      if (found === undefined) return null
      const { password: _, oldId: __, ...person } = found.person
      return person
    }),
  }
}
