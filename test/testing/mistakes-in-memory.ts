import { setImmediate as laterOn } from "node:timers/promises"
import type { UserIdentity, UserProfile, UserStore } from "../../src/index.js"
import type { Mistake } from "./user-store-contract.test.js"

interface Row extends UserProfile {
  readonly id: number
  readonly extra: unknown
}

/** A store that is right but for what `changes` does to it. */
function storeWith(changes: {
  readonly keyOf?: (identity: UserIdentity) => string
  readonly merge?: (before: Row | undefined, profile: UserProfile, extra: unknown) => UserProfile & { extra: unknown }
  readonly store?: (right: UserStore<Row>, rows: Map<string, Row>) => Partial<UserStore<Row>>
}): UserStore<Row> {
  const rows = new Map<string, Row>()
  let lastId = 0
  const { keyOf = ({ issuer, subject }) => JSON.stringify([issuer, subject]), merge = mergeRight } = changes
  const right: UserStore<Row> = {
    async findUser(identity) {
      return rows.get(keyOf(identity)) ?? null
    },
    async saveUser(profile, extra) {
      const before = rows.get(keyOf(profile))
      const row = { ...merge(before, profile, extra), id: before?.id ?? ++lastId }
      rows.set(keyOf(profile), row)
      return row
    },
    async removeUser(identity) {
      rows.delete(keyOf(identity))
    },
  }
  return { ...right, ...changes.store?.(right, rows) }
}

function mergeRight(before: Row | undefined, profile: UserProfile, extra: unknown) {
  const newest = before !== undefined && before.asOf > profile.asOf ? before : profile
  return { ...newest, extra: extra ?? before?.extra ?? null }
}

/** A store on plain objects, as people write it first; its rows hang on one name, the subject or the username. */
function plainObjectStore(index: "subject" | "username"): UserStore<Row> {
  const rows: Record<string, Row> = {}
  const named: Record<string, Record<string, Row>> = {}
  let lastId = 0
  return {
    async findUser({ issuer, subject }) {
      if (index === "subject") return named[issuer]?.[subject] ?? null
      return Object.values(rows).find(row => row.issuer === issuer && row.subject === subject) ?? null
    },
    async saveUser(profile, extra) {
      named[profile.issuer] ??= {}
      const people = (index === "subject" && named[profile.issuer]) || rows
      const name = index === "subject" ? profile.subject : `${profile.username}`
      const before = people[name]
      const row = { ...mergeRight(before, profile, extra), id: before?.id ?? ++lastId }
      people[name] = row
      return row
    },
    async removeUser({ issuer, subject }) {
      if (index === "subject") delete named[issuer]?.[subject]
      else for (const [name, row] of Object.entries(rows)) if (row.subject === subject) delete rows[name]
    },
  }
}

export const rightStoreInMemory = (): UserStore<Row> => storeWith({})

export const mistakesInMemory: readonly Mistake[] = [
  {
    mistake: "finds, waits, and then inserts into a list without a unique key",
    says: /find-then-insert is a race/,
    createStore: () => {
      let rows: Row[] = []
      const isOf = (one: UserIdentity) => (row: Row) => row.issuer === one.issuer && row.subject === one.subject
      return storeWith({
        store: () => ({
          async findUser(identity) {
            return rows.find(isOf(identity)) ?? null
          },
          async saveUser(profile, extra) {
            const before = rows.find(isOf(profile))
            await laterOn()
            const row = { ...mergeRight(before, profile, extra), id: before?.id ?? rows.length + 1 }
            rows = before === undefined ? [...rows, row] : rows.map(one => (one === before ? row : one))
            return row
          },
          async removeUser(identity) {
            rows = rows.filter(row => !isOf(identity)(row))
          },
        }),
      })
    },
  },
  {
    mistake: "reads the row, compares dates, waits and then writes",
    says: /comparing the dates and then writing is a race/,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async saveUser(profile, extra) {
            const before = rows.get(JSON.stringify([profile.issuer, profile.subject]))
            if (before === undefined) return right.saveUser(profile, extra)
            await laterOn()
            const row = { ...mergeRight(before, profile, extra), id: before.id }
            rows.set(JSON.stringify([profile.issuer, profile.subject]), row)
            return row
          },
        }),
      }),
  },
  {
    mistake: "keeps rows by subject in {}",
    says: /plain object `\{\}` as a map/,
    createStore: () => plainObjectStore("subject"),
  },
  {
    mistake: "keeps rows by username in {}",
    says: /keyed on the username/,
    createStore: () => plainObjectStore("username"),
  },
  {
    mistake: "indexes usernames in {}",
    says: /plain object `\{\}` as a map/,
    createStore: () => {
      const taken: Record<string, string> = {}
      return storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            if (
              profile.username !== null &&
              taken[profile.username] !== undefined &&
              profile.firstName === "person 0"
            ) {
              throw new Error("this username is taken")
            }
            return right.saveUser(profile, extra)
          },
        }),
      })
    },
  },
  {
    mistake: "puts issuer and subject together without more ado",
    says: /a text that is put together from issuer and subject/,
    createStore: () => storeWith({ keyOf: ({ issuer, subject }) => `${issuer}${subject}` }),
  },
  {
    mistake: "puts issuer and subject together with a colon",
    says: /a text that is put together from issuer and subject/,
    createStore: () => storeWith({ keyOf: ({ issuer, subject }) => `${issuer}:${subject}` }),
  },
  {
    mistake: "keys on the subject alone",
    says: /keyed on the subject alone/,
    createStore: () => storeWith({ keyOf: ({ subject }) => JSON.stringify(subject) }),
  },
  {
    mistake: "spells out a subject that is not there",
    says: /NULL key/,
    createStore: () => storeWith({ keyOf: ({ issuer, subject }) => `${JSON.stringify(issuer)} ${subject}` }),
  },
  {
    mistake: "folds the case of the subject",
    says: /the column folds case/,
    createStore: () => storeWith({ keyOf: ({ issuer, subject }) => JSON.stringify([issuer, subject.toLowerCase()]) }),
  },
  {
    mistake: "ignores asOf",
    says: /saveUser ignores `asOf`/,
    createStore: () =>
      storeWith({ merge: (before, profile, extra) => ({ ...profile, extra: extra ?? before?.extra ?? null }) }),
  },
  {
    mistake: "takes a profile of the same moment for a stale one",
    says: /compare with >, not with >=/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          mergeRight(before, before !== undefined && before.asOf >= profile.asOf ? before : profile, extra),
      }),
  },
  {
    mistake: "returns undefined where there is no row",
    says: /findUser returned undefined: .*must be null/,
    createStore: () =>
      storeWith({
        store: right => ({
          async findUser(identity) {
            return (await right.findUser(identity)) ?? (undefined as unknown as null)
          },
        }),
      }),
  },
  {
    mistake: "throws where there is no row to remove",
    says: /removeUser threw .*where there is no row, there is nothing to do/,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async removeUser(identity) {
            const before = rows.size
            await right.removeUser(identity)
            if (rows.size === before) throw new Error("no such row")
          },
        }),
      }),
  },
  {
    mistake: "does not remove",
    says: /still there after removeUser/,
    createStore: () => storeWith({ store: () => ({ async removeUser() {} }) }),
  },
  {
    mistake: "removes all rows of a last name",
    says: /took another person's row away/,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async removeUser(identity) {
            const lastName = (await right.findUser(identity))?.lastName
            for (const [key, row] of rows) if (row.lastName === lastName) rows.delete(key)
          },
        }),
      }),
  },
  {
    mistake: "marks rows as removed and brings their sign-up data back",
    says: /sign-up data of a removed row is back/,
    createStore: () => {
      const removed = new Map<string, unknown>()
      return storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            return right.saveUser(profile, extra ?? removed.get(profile.subject))
          },
          async removeUser(identity) {
            removed.set(identity.subject, (await right.findUser(identity))?.extra)
            await right.removeUser(identity)
          },
        }),
      })
    },
  },
  {
    mistake: "drops extra",
    says: /saveUser drops `extra`/,
    createStore: () => storeWith({ merge: (before, profile) => mergeRight(before, profile, null) }),
  },
  {
    mistake: "reads the sign-up data of people who have none",
    says: /saveUser threw .* for a person without sign-up data, .*`extra` is undefined/,
    createStore: () =>
      storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            const { plan } = extra as { plan: string }
            return right.saveUser(profile, { plan })
          },
        }),
      }),
  },
  {
    mistake: "takes nobody without sign-up data",
    says: /saveUser returned null for a person without sign-up data/,
    createStore: () =>
      storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            const before = await right.findUser(profile)
            return before === null && extra === undefined ? (null as unknown as Row) : right.saveUser(profile, extra)
          },
        }),
      }),
  },
  {
    mistake: "spells out sign-up data that is not there",
    says: /a text in place of sign-up data that is not there, as "plan"/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          mergeRight(before, profile, { plan: String((extra as { plan?: string } | undefined)?.plan) }),
      }),
  },
  {
    mistake: "parks names without looking at the issuer",
    says: /namesake of another issuer has changed a row: .*UNIQUE \(issuer, username\)/,
    attributesAreUnique: true,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async saveUser(profile, extra) {
            for (const [key, row] of rows) {
              const isOther = row.issuer !== profile.issuer || row.subject !== profile.subject
              if (isOther && row.username === profile.username) rows.set(key, { ...row, username: null })
            }
            return right.saveUser(profile, extra)
          },
        }),
      }),
  },
  {
    mistake: "keeps usernames unique over all issuers",
    says: /saveUser threw .* for a namesake of another issuer/,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async saveUser(profile, extra) {
            const namesakes = [...rows.values()].filter(({ username }) => username === profile.username)
            if (namesakes.some(({ issuer }) => issuer !== profile.issuer)) throw new Error("this username is taken")
            return right.saveUser(profile, extra)
          },
        }),
      }),
  },
  {
    mistake: "keeps custom values of before",
    says: /something else than was saved as custom: a later `asOf` is the later word/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          mergeRight(before, { ...profile, custom: before?.custom ?? profile.custom }, extra),
      }),
  },
  {
    mistake: "merges custom values",
    says: /something else than was saved as custom: .*replaced, not merged/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          mergeRight(before, { ...profile, custom: { ...before?.custom, ...profile.custom } }, extra),
      }),
  },
  {
    mistake: "forgets extra with the next token",
    says: /overwrites the sign-up data with nothing/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) => ({ ...mergeRight(before, profile, extra), extra: extra ?? null }),
      }),
  },
  {
    mistake: "drops the extra of a registration that comes late",
    says: /saveUser drops `extra`.* overtake/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          before !== undefined && before.asOf > profile.asOf ? before : mergeRight(before, profile, extra),
      }),
  },
  {
    mistake: "keeps a value that Keycloak has taken back",
    says: /a later null is news too/,
    createStore: () =>
      storeWith({
        merge: (before, profile, extra) =>
          mergeRight(before, { ...profile, email: profile.email ?? before?.email ?? null }, extra),
      }),
  },
  {
    mistake: "makes a new row for a later profile",
    says: /row with another key/,
    createStore: () => {
      let lastId = 1000
      return storeWith({
        store: (right, rows) => ({
          async saveUser(profile, extra) {
            const before = await right.findUser(profile)
            const row = await right.saveUser(profile, extra)
            if (before === null || profile.asOf <= before.asOf) return row
            const again = { ...row, id: ++lastId }
            rows.set(JSON.stringify([profile.issuer, profile.subject]), again)
            return again
          },
        }),
      })
    },
  },
  {
    mistake: "links a newcomer by e-mail",
    says: /linked by e-mail/,
    createStore: () =>
      storeWith({
        store: (right, rows) => ({
          async saveUser(profile, extra) {
            for (const [key, row] of rows) {
              if (row.issuer === profile.issuer && row.email === profile.email && row.subject !== profile.subject) {
                rows.delete(key)
              }
            }
            return right.saveUser(profile, extra)
          },
        }),
      }),
  },
  {
    mistake: "keeps values of the last call for the next one",
    says: /got mixed up/,
    createStore: () => {
      let last: UserProfile
      return storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            last = profile
            await laterOn()
            const row = await right.saveUser({ ...profile, username: last.username }, extra)
            return row
          },
        }),
      })
    },
  },
  {
    mistake: "begins each portion with the last subject of the one before",
    says: /listSubjects gives those that come after/,
    createStore: () =>
      storeWith({
        store: (_, rows) => ({
          async listSubjects({ issuer, after, limit }) {
            const subjects = [...rows.values()].filter(row => row.issuer === issuer).map(({ subject }) => subject)
            return subjects
              .sort()
              .filter(subject => after === null || subject >= after)
              .slice(0, limit)
          },
        }),
      }),
  },
  {
    mistake: "lists the subjects of every issuer",
    says: /gave more subjects than there are/,
    createStore: () =>
      storeWith({
        store: (_, rows) => ({
          async listSubjects({ after, limit }) {
            const subjects = [...rows.values()].map(({ subject }) => subject)
            return subjects
              .sort()
              .filter(subject => after === null || subject > after)
              .slice(0, limit)
          },
        }),
      }),
  },
  {
    mistake: "returns nothing for a row that was there",
    says: /DO NOTHING RETURNING/,
    createStore: () =>
      storeWith({
        store: right => ({
          async saveUser(profile, extra) {
            const before = await right.findUser(profile)
            const row = await right.saveUser(profile, extra)
            return before === null ? row : (undefined as unknown as Row)
          },
        }),
      }),
  },
]
