import type { FieldProblem } from "../errors.js"
import { type FieldRule, maxAttributes, readAttributeNames, readFields, readFlags } from "../fields.js"
import type { UserKey } from "../users/user-store.js"
import type { PasswordHash } from "./password-hash.js"

/** Somebody out of an application's own table. A null is as good as nothing, and so is an empty text. */
export interface Person {
  /** The primary key of the row. */
  readonly key: UserKey
  /** Without one, the e-mail becomes the username. */
  readonly username?: string | null | undefined
  readonly email?: string | null | undefined
  /** Default false. Say true only if the application has proven that the e-mail is theirs. */
  readonly emailVerified?: boolean | undefined
  readonly firstName?: string | null | undefined
  readonly lastName?: string | null | undefined
  /** Default true. The account of somebody else ends disabled. */
  readonly enabled?: boolean | undefined
  /** Attributes of the realm's user profile. */
  readonly attributes?: Readonly<Record<string, string | readonly string[] | null | undefined>> | undefined
  /** Paths of groups, such as `/customers`. */
  readonly groups?: readonly string[] | undefined
}

/** A person whose members are usable, or absent. */
export interface ReadPerson {
  readonly key: UserKey
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly enabled: boolean
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly groups: readonly string[]
  readonly password: PasswordHash | null
}

/** What can't be used, and whose it is, as far as that can be told. */
interface UnusablePerson {
  readonly key: UserKey | null
  readonly problems: readonly FieldProblem[]
}

const textRules = {
  username: { maxLength: 255, optional: "or empty" },
  email: { maxLength: 255, optional: "or empty" },
  firstName: { maxLength: 255, optional: "or empty" },
  lastName: { maxLength: 255, optional: "or empty" },
} satisfies Record<string, FieldRule>
const known = [...Object.keys(textRules), ..."key emailVerified enabled attributes groups password".split(" ")]
// Keycloak lets anybody have such a name; its own service accounts have them (26.7.4).
const reservedPrefix = "service-account-"
const maxGroups = 200

/** Everything of a person, or everything that is wrong with it. */
export function readPerson(given: unknown): ReadPerson | UnusablePerson {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return unusable(null, "person", "not_an_object")
  const members = given as Record<string, unknown>
  const { values, problems } = readFields(withoutNulls(members), textRules)
  const { username = null, email = null, firstName = null, lastName = null } = values
  const attributes = readAttributes(members.attributes ?? {})
  const groups = readGroups(members.groups ?? [])
  const isKey = isUserKey(members.key)
  const all = [
    ...(isKey ? [] : [problem("key", members.key === undefined ? "required" : "not_a_key")]),
    ...problems,
    ...(username === null && email === null && problems.length === 0 ? [problem("username", "required")] : []),
    // Without a username, the e-mail becomes it.
    ...(isReserved(username ?? email) ? [problem(username === null ? "email" : "username", "reserved_prefix")] : []),
    ...readFlags(withoutNulls(members), ["emailVerified", "enabled"]),
    ...attributes.problems,
    ...groups.problems,
    ...Object.keys(members)
      .filter(name => !known.includes(name))
      .map(name => problem(name, "unknown_member")),
  ]
  if (!isKey || all.length > 0) return { key: isKey ? (members.key as UserKey) : null, problems: all }
  return {
    key: members.key as UserKey,
    username,
    email,
    emailVerified: members.emailVerified === true && email !== null,
    firstName,
    lastName,
    enabled: members.enabled !== false,
    attributes: attributes.values,
    groups: groups.paths,
    password: (members.password ?? null) as PasswordHash | null,
  }
}

function unusable(key: UserKey | null, field: string, rule: string): UnusablePerson {
  return { key, problems: [problem(field, rule)] }
}

function problem(field: string, rule: string): FieldProblem {
  return { field, rule, params: [] }
}

/** Databases say null where forms say nothing. */
function withoutNulls(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))
}

function isUserKey(key: unknown): boolean {
  if (typeof key === "string") return key !== "" && key.length <= 1000
  return typeof key === "bigint" || Number.isSafeInteger(key)
}

/** Also where letters only look like these: full-width ones, for example. */
function isReserved(username: string | null): boolean {
  return username?.normalize("NFKC").toLowerCase().startsWith(reservedPrefix) === true
}

function readAttributes(given: unknown): {
  readonly values: Readonly<Record<string, readonly string[]>>
  readonly problems: readonly FieldProblem[]
} {
  const { names, problems } = readAttributeNames(given)
  const lists = names.map(name => {
    const values = [(given as Record<string, unknown>)[name]].flat().filter(one => one !== null && one !== undefined)
    if (values.length > maxAttributes) return { name, list: [], problems: [problem(name, "too_many")] }
    const rule = { maxLength: 2048, optional: "or empty" } as const
    const read = values.map(one => readFields({ [name]: one }, { [name]: rule }))
    return { name, list: read.flatMap(one => one.values[name] ?? []), problems: read.flatMap(one => one.problems) }
  })
  const filled = lists.filter(({ list }) => list.length > 0)
  return {
    values: Object.fromEntries(filled.map(({ name, list }) => [name, list])),
    problems: [...problems, ...lists.flatMap(one => one.problems)],
  }
}

function readGroups(given: unknown): { readonly paths: readonly string[]; readonly problems: readonly FieldProblem[] } {
  const isPath = (one: unknown) => typeof one === "string" && /^\/?[^/\p{Cc}\p{Cs}]/u.test(one) && one.length <= 2048
  if (!Array.isArray(given) || given.length > maxGroups || !given.every(isPath))
    return { paths: [], problems: [problem("groups", "not_a_list_of_paths")] }
  const paths = given.map((path: string) => (path.startsWith("/") ? path : `/${path}`))
  return { paths: [...new Set(paths)], problems: [] }
}
