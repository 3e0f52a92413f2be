/** How Keycloak reads a member of a realm file: a number where it wants a text becomes one, and the other way round. */
export interface Member {
  /** The value as the importer gets it; undefined where it has the wrong kind. */
  readonly read: (value: unknown) => unknown
  readonly expected: string
  /** Why a test realm can't have this value, or null. */
  readonly refusal: (value: unknown) => string | null
}

export type Members = Readonly<Record<string, Member>>

const taken = () => null
const kind = (expected: string, read: Member["read"]): Member => ({ read, expected, refusal: taken })

export const text: Member = kind("a text", readText)
export const flag: Member = kind("true or false", value => {
  if (typeof value === "string") return readWord(value, { true: true, false: false })
  return typeof value === "number" ? value !== 0 : typeof value === "boolean" ? value : undefined
})
export const number: Member = kind("a number", value => {
  if (value === "") return null
  const read = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN
  return Number.isFinite(read) ? Math.trunc(read) : undefined
})
export const texts: Member = kind("a list of texts", readTexts)
export const list: Member = kind("a list of objects", value =>
  Array.isArray(value) && value.every(isObject) ? value : undefined,
)
export const object: Member = kind("an object", value => (isObject(value) ? value : undefined))
/** Texts by name. */
export const textMap: Member = kind("an object of texts", value => readMap(value, readText))
/** Lists of texts by name. */
export const textsMap: Member = kind("an object of lists", value => readMap(value, readTexts))
/** The attributes of a user, where Keycloak takes one text for a list. */
export const attributeMap: Member = kind("an object of lists", value =>
  readMap(value, one => readTexts(Array.isArray(one) ? one : [one])),
)
/** Changes nothing that this server answers. */
export const inert: Member = kind("", value => value)

export function refused(member: Member, refusal: Member["refusal"]): Member {
  return { ...member, refusal }
}

/** Taken only where it asks for nothing. */
export const empty: Member = refused(inert, value => (isEmpty(value) ? null : "the test realm does not know it"))

export function only(member: Member, ...known: readonly unknown[]): Member {
  const names = known.map(value => JSON.stringify(value)).join(" or ")
  return refused(member, value => (known.includes(value) ? null : `${names} is all that the test realm knows`))
}

export function named(member: Member, ...names: readonly string[]): Members {
  return Object.fromEntries(names.map(name => [name, member]))
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true
  return typeof value === "object" && Object.keys(value).length === 0
}

function readText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined
}

function readTexts(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const read = value.filter(one => one !== null).map(readText)
  return read.includes(undefined) ? undefined : (read as readonly string[])
}

function readMap(value: unknown, readOne: (value: unknown) => unknown): unknown {
  if (!isObject(value)) return undefined
  const entries = Object.entries(value)
    .filter(([, one]) => one !== null)
    .map(([name, one]) => [name, readOne(one)])
  return entries.some(([, one]) => one === undefined) ? undefined : Object.fromEntries(entries)
}

function readWord(word: string, words: Readonly<Record<string, boolean>>): boolean | null | undefined {
  return word === "" ? null : words[word.toLowerCase()]
}
