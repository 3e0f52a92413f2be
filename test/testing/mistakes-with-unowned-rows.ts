import { setImmediate as laterOn } from "node:timers/promises"
import type { UserIdentity, UserKey, UserProfile, UserStore } from "../../src/index.js"

interface Names {
  readonly username: string | null
  readonly email: string | null
}

interface Row extends Omit<UserProfile, "issuer" | "subject" | "asOf"> {
  readonly id: number
  readonly issuer: string | null
  readonly subject: string | null
  readonly asOf: Date | null
  readonly plan: string | null
}

/** A store that can be given rows without subject. */
export interface UnownedStore extends UserStore<Row> {
  addUnowned(names: Names): Promise<UserKey>
}

export interface UnownedMistake {
  readonly mistake: string
  /** What the message of a failing case has to say. */
  readonly says: RegExp
  createStore(): UnownedStore
}

type Functions = Required<Omit<UnownedStore, "peekUser">>

/** A store over one list of rows, as a table is one, that is right but for what `changes` does to it. */
function storeWith(changes: (right: Functions, table: Map<UserKey, Row>) => Partial<Functions> = () => ({})) {
  const table = new Map<UserKey, Row>()
  let lastId = 0
  function insert(row: Omit<Row, "id">): Row {
    const inserted = { ...row, id: ++lastId }
    table.set(inserted.id, inserted)
    return inserted
  }
  const right: Functions = {
    async findUser(identity) {
      return rowOf(table, identity)
    },
    async saveUser(profile, extra) {
      const before = rowOf(table, profile)
      const { plan = before?.plan ?? null } = (extra ?? {}) as { readonly plan?: string }
      if (before === null) return insert({ ...profile, plan })
      const row = { ...before, ...((before.asOf ?? profile.asOf) > profile.asOf ? {} : profile), plan }
      table.set(row.id, row)
      return row
    },
    async removeUser(identity) {
      const row = rowOf(table, identity)
      if (row !== null) table.delete(row.id)
    },
    async listSubjects({ issuer, after, limit }) {
      const subjects = [...table.values()].flatMap(row => (row.issuer === issuer ? [row.subject ?? ""] : []))
      return subjects
        .sort()
        .filter(subject => after === null || subject > after)
        .slice(0, limit)
    },
    async findUnlinked(profile, { by }) {
      return matching(table, profile, by, text => text.toLowerCase())
    },
    async linkUser(key, profile) {
      const row = table.get(key)
      if (row === undefined || row.subject !== null || rowOf(table, profile) !== null) return null
      const linked = { ...row, ...profile }
      table.set(key, linked)
      return linked
    },
    async addUnowned(names) {
      const nothing = { issuer: null, subject: null, firstName: null, lastName: null, asOf: null, plan: null }
      return insert({ ...nothing, ...names, emailVerified: false, custom: {} }).id
    },
  }
  return { ...right, ...changes(right, table) }
}

function rowOf(table: Map<UserKey, Row>, { issuer, subject }: UserIdentity): Row | null {
  if (typeof subject !== "string") throw new Error("subject may not be null")
  return [...table.values()].find(row => row.issuer === issuer && row.subject === subject) ?? null
}

function unowned(table: Map<UserKey, Row>): Row[] {
  return [...table.values()].filter(row => row.subject === null)
}

function matching(
  table: Map<UserKey, Row>,
  profile: UserProfile,
  by: "username" | "email",
  fold: (text: string) => string,
): number[] {
  const wanted = profile[by]
  if (wanted === null) return []
  return unowned(table).flatMap(row => (fold(row[by] ?? "") === fold(wanted) ? [row.id] : []))
}

/** A saveUser that gives a newcomer a row without subject that looks like it. */
function takingOver(isLike: (row: Row, profile: UserProfile) => boolean, isOnlyForNew = true) {
  return (right: Functions, table: Map<UserKey, Row>): Partial<Functions> => ({
    async saveUser(profile, extra) {
      const before = await right.findUser(profile)
      const old = unowned(table).find(row => isLike(row, profile))
      if (old === undefined || (isOnlyForNew && before !== null)) return right.saveUser(profile, extra)
      await right.removeUser(profile)
      return (await right.linkUser(old.id, profile)) as Row
    },
  })
}

const isSame = (one: string | null, other: string | null) => one?.toLowerCase() === other?.toLowerCase()

export const rightStoreWithUnownedRows = (): UnownedStore => storeWith()

export const mistakesWithUnownedRows: readonly UnownedMistake[] = [
  {
    mistake: "takes over an old row by username",
    says: /saveUser took over a row without subject by its username/,
    createStore: () => storeWith(takingOver((row, { username }) => isSame(row.username, username))),
  },
  {
    mistake: "takes over an old row by verified e-mail",
    says: /saveUser took over a row without subject by its username and e-mail/,
    createStore: () => storeWith(takingOver((row, one) => one.emailVerified && isSame(row.email, one.email))),
  },
  {
    mistake: "takes over an old row by e-mail alone, where the username is another one",
    says: /saveUser took over a row without subject by its e-mail/,
    createStore: () =>
      storeWith(takingOver((row, one) => isSame(row.email, one.email) && !isSame(row.username, one.username))),
  },
  {
    mistake: "takes over an old row when a person is renamed to it",
    says: /saveUser took over a row without subject/,
    createStore: () =>
      storeWith((right, table) => ({
        async saveUser(profile, extra) {
          if ((await right.findUser(profile)) === null) return right.saveUser(profile, extra)
          const change = takingOver((row, { username }) => isSame(row.username, username), false)(right, table)
          return (change.saveUser ?? right.saveUser)(profile, extra)
        },
      })),
  },
  {
    mistake: "replaces an old row of the same username",
    says: /saveUser took over a row without subject by its username/,
    createStore: () =>
      storeWith((right, table) => ({
        async saveUser(profile, extra) {
          for (const row of unowned(table)) if (isSame(row.username, profile.username)) table.delete(row.id)
          return right.saveUser(profile, extra)
        },
      })),
  },
  {
    mistake: "locks out somebody with the username of an old row",
    says: /saveUser threw .* for somebody with the username .* of a row without subject/,
    createStore: () =>
      storeWith((right, table) => ({
        async saveUser(profile, extra) {
          if (unowned(table).some(row => isSame(row.username, profile.username))) throw new Error("taken")
          return right.saveUser(profile, extra)
        },
      })),
  },
  {
    mistake: "looks old rows up by their username in place of a subject",
    says: /findUser found a row without subject by something else/,
    createStore: () =>
      storeWith((right, table) => ({
        async findUser(identity) {
          const byName = unowned(table).find(row => row.username === identity.subject)
          return (await right.findUser(identity)) ?? byName ?? null
        },
      })),
  },
  {
    mistake: "removes old rows by their key in place of a subject",
    says: /removeUser removed a row without subject/,
    createStore: () =>
      storeWith((right, table) => ({
        async removeUser(identity) {
          for (const row of unowned(table)) if (String(row.id) === identity.subject) table.delete(row.id)
          await right.removeUser(identity)
        },
      })),
  },
  {
    mistake: "lists rows without subject",
    says: /listSubjects gave 2 subjects for one row that has one/,
    createStore: () =>
      storeWith((_, table) => ({
        async listSubjects({ after }) {
          return after === null ? [...table.values()].map(({ subject }) => subject as string) : []
        },
      })),
  },
  {
    mistake: "compares names to the letter",
    says: /compare `lower\(username\)`/,
    createStore: () =>
      storeWith((_, table) => ({ findUnlinked: async (one, { by }) => matching(table, one, by, text => text) })),
  },
  {
    mistake: "finds one of several",
    says: /of several, linkUsers links none/,
    createStore: () =>
      storeWith(right => ({ findUnlinked: async (...given) => (await right.findUnlinked(...given)).slice(0, 1) })),
  },
  {
    mistake: "looks at username and e-mail, whichever is asked for",
    says: /at the attribute that `by` names/,
    createStore: () =>
      storeWith(right => ({
        async findUnlinked(profile) {
          const keys = [right.findUnlinked(profile, { by: "username" }), right.findUnlinked(profile, { by: "email" })]
          return [...new Set((await Promise.all(keys)).flat())]
        },
      })),
  },
  {
    mistake: "looks at the username alone",
    says: /compare `lower\(username\)`/,
    createStore: () => storeWith(right => ({ findUnlinked: one => right.findUnlinked(one, { by: "username" }) })),
  },
  {
    mistake: "takes no name for any name",
    says: /a profile that tells no username, or no e-mail, matches no row/,
    createStore: () =>
      storeWith((right, table) => ({
        async findUnlinked(profile, how) {
          return profile[how.by] === null ? unowned(table).map(({ id }) => id) : right.findUnlinked(profile, how)
        },
      })),
  },
  {
    mistake: "returns undefined for nothing found",
    says: /findUnlinked returned undefined/,
    createStore: () =>
      storeWith(right => ({
        async findUnlinked(...given) {
          const keys = await right.findUnlinked(...given)
          return keys.length > 0 ? keys : (undefined as never)
        },
      })),
  },
  {
    mistake: "returns rows in place of keys",
    says: /findUnlinked returned something else than keys/,
    createStore: () =>
      storeWith((right, table) => ({
        async findUnlinked(...given) {
          return (await right.findUnlinked(...given)).map(key => table.get(key)) as never
        },
      })),
  },
  {
    mistake: "folds accents",
    says: /the column's collation may take é for e/,
    createStore: () =>
      storeWith((_, table) => ({
        async findUnlinked(profile, { by }) {
          return matching(table, profile, by, text =>
            text
              .normalize("NFD")
              .replace(/\p{Diacritic}/gu, "")
              .toLowerCase(),
          )
        },
      })),
  },
  {
    mistake: "folds to capitals, and takes ß for ss",
    says: /another person's row would be linked/,
    createStore: () =>
      storeWith((_, table) => ({
        findUnlinked: async (one, { by }) => matching(table, one, by, text => text.toUpperCase()),
      })),
  },
  {
    mistake: "finds rows that have a subject",
    says: /add `AND subject IS NULL`/,
    createStore: () =>
      storeWith((_, table) => ({
        async findUnlinked(profile, { by }) {
          return [...table.values()].flatMap(row =>
            profile[by] !== null && isSame(row[by], profile[by]) ? [row.id] : [],
          )
        },
      })),
  },
  {
    mistake: "ties nothing",
    says: /linkUser returned null for a row without subject/,
    createStore: () => storeWith(() => ({ linkUser: async () => null })),
  },
  {
    mistake: "writes the subject and leaves the profile",
    says: /linkUser writes issuer, subject and the whole profile/,
    createStore: () =>
      storeWith((right, table) => ({
        async linkUser(key, profile) {
          const before = table.get(key)
          const row = await right.linkUser(key, profile)
          if (row === null || before === undefined) return row
          const { issuer, subject, asOf } = row
          table.set(key, { ...before, issuer, subject, asOf })
          return { ...before, issuer, subject, asOf }
        },
      })),
  },
  {
    mistake: "returns the profile in place of the row",
    says: /linkUser returned something else than findUser finds/,
    createStore: () =>
      storeWith(right => ({
        async linkUser(key, profile) {
          const row = await right.linkUser(key, profile)
          return row && { ...row, plan: "none" }
        },
      })),
  },
  {
    mistake: "returns undefined where it ties nothing",
    says: /linkUser returned undefined/,
    createStore: () =>
      storeWith(right => ({ linkUser: async (...given) => (await right.linkUser(...given)) ?? (undefined as never) })),
  },
  {
    mistake: "leaves the date as it was",
    says: /linkUser has to write the profile's `asOf` too|linkUser writes issuer, subject and the whole profile/,
    createStore: () =>
      storeWith((right, table) => ({
        async linkUser(key, profile) {
          const row = await right.linkUser(key, profile)
          if (row !== null) table.set(key, { ...row, asOf: new Date(0) })
          return row && { ...row, asOf: new Date(0) }
        },
      })),
  },
  {
    mistake: "ties a row to whoever comes later",
    says: /linkUser tied (the same row again|somebody's row to somebody else)/,
    createStore: () =>
      storeWith((_, table) => ({
        async linkUser(key, profile) {
          const row = table.get(key)
          if (row === undefined || (await rowOf(table, profile)) !== null) return null
          table.set(key, { ...row, ...profile })
          return { ...row, ...profile }
        },
      })),
  },
  {
    mistake: "gives a person the old row's copy",
    says: /linkUser gave the person a row with another key/,
    createStore: () =>
      storeWith((right, table) => ({
        async linkUser(key, profile) {
          if (table.get(key)?.subject !== null || (await right.findUser(profile)) !== null) return null
          table.delete(key)
          return right.saveUser(profile)
        },
      })),
  },
  {
    mistake: "ties a row to a person who has one",
    says: /linkUser tied a row to a person who has one/,
    createStore: () =>
      storeWith((_, table) => ({
        async linkUser(key, profile) {
          const row = table.get(key)
          if (row === undefined || row.subject !== null) return null
          const before = rowOf(table, profile)
          if (before !== null) table.delete(before.id)
          table.set(key, { ...row, ...profile })
          return { ...row, ...profile }
        },
      })),
  },
  {
    mistake: "throws where the person has a row",
    says: /linkUser threw .*Where the unique key on \(issuer, subject\) refuses/,
    createStore: () =>
      storeWith(right => ({
        async linkUser(key, profile) {
          const linked = await right.linkUser(key, profile)
          if (linked === null && profile.firstName === "Linked") throw new Error("duplicate key")
          return linked
        },
      })),
  },
  {
    mistake: "loses the row that it can't tie",
    says: /the row is lost to everybody else/,
    createStore: () =>
      storeWith((right, table) => ({
        async linkUser(key, profile) {
          if (rowOf(table, profile) === null) return right.linkUser(key, profile)
          if (table.get(key)?.subject === null) table.delete(key)
          return null
        },
      })),
  },
  {
    mistake: "makes a row for a key that is not there",
    says: /for a key that is not there/,
    createStore: () =>
      storeWith((right, table) => ({
        linkUser: async (key, profile) => (table.has(key) ? right.linkUser(key, profile) : right.saveUser(profile)),
      })),
  },
  {
    mistake: "looks whether the row is free, waits, and then writes",
    says: /when 20 people were tried at once/,
    createStore: () =>
      storeWith((_, table) => ({
        async linkUser(key, profile) {
          const row = table.get(key)
          if (row === undefined || row.subject !== null || rowOf(table, profile) !== null) return null
          await laterOn()
          table.set(key, { ...row, ...profile })
          return { ...row, ...profile }
        },
      })),
  },
  {
    mistake: "looks whether the person has a row, waits, and then writes",
    says: /linkUser tied \d+ of 20 rows to one person/,
    createStore: () => storeWith(lookingTooEarly),
  },
  {
    mistake: "looks whether the person has a row, and is overtaken by a first request",
    says: /linkUser and saveUser at once made two rows/,
    createStore: () => storeWith(lookingTooEarly),
  },
]

function lookingTooEarly(_: Functions, table: Map<UserKey, Row>): Partial<Functions> {
  return {
    async linkUser(key, profile) {
      if (rowOf(table, profile) !== null) return null
      await laterOn()
      const row = table.get(key)
      if (row === undefined || row.subject !== null) return null
      table.set(key, { ...row, ...profile })
      return { ...row, ...profile }
    },
  }
}
