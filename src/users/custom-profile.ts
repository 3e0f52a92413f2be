import { createHash } from "node:crypto"
import { GateError } from "../errors.js"
import { printable } from "../foreign-text.js"
import { kindOf } from "../option-reader.js"
import type { Claims, JsonValue } from "../verify/claims.js"
import type { UserIdentity, UserProfile } from "./user-store.js"

/** An account, as Keycloak's Admin API tells it or as a registration sends it. */
export interface ProfileAccount {
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  /** Every value is a list; an object without prototype. */
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

/**
 * What belongs into `custom`: texts, finite numbers, booleans, null, and lists and plain objects of these. Undefined members
 * are left out, and so is `__proto__`. 64 kB of JSON at most.
 */
export type CustomValues = Readonly<Record<string, JsonValue | undefined>>

/**
 * What of a token and of an account also belongs into the row, as `profile.custom`. Both functions answer at once, and both
 * should give the same values of one person.
 *
 * With one of them alone, the other source leaves `custom` as it was: `profile.customAsOf` is its date then.
 */
export interface CustomProfile {
  /** Asked of a token that may change the row: at the first sight of a person, and of each later token once. */
  readonly fromClaims?: ((claims: Claims) => CustomValues) | undefined
  /** Asked of an account that is registered, changed, imported, linked or listed by `syncUsers`. */
  readonly fromAccount?: ((account: ProfileAccount) => CustomValues) | undefined
}

export interface CustomSettings {
  readonly fromClaims: ((claims: Claims) => unknown) | null
  readonly fromAccount: ((account: ProfileAccount) => unknown) | null
}

/** What a source tells of `custom`. */
type ToldCustom = Pick<UserProfile, "custom" | "customAsOf">

/** The custom values of tokens and accounts, as the application's functions read them. */
export interface CustomReader {
  /** Whether the application keeps any. */
  readonly isKept: boolean
  /** Whether tokens tell them. */
  readonly isInClaims: boolean
  /** Whether accounts tell them, and have to be read with their attributes. */
  readonly isInAccounts: boolean
  readonly ofClaims: (claims: Claims) => ToldCustom
  readonly ofAccount: (account: Omit<ProfileAccount, "attributes">, attributes: unknown) => ToldCustom
}

/** What a profile holds where no source tells anything of the application's own. */
export const noCustom: UserProfile["custom"] = Object.freeze({})

/**
 * What the application's functions throw is its own error, and reaches the caller untouched.
 *
 * @throws {GateError} `config_invalid` where one of them gives something else than a plain object of JSON values
 */
export function createCustomReader({ fromClaims, fromAccount }: CustomSettings): CustomReader {
  const isKept = fromClaims !== null || fromAccount !== null
  const nothing = (): ToldCustom => (isKept ? { custom: noCustom, customAsOf: new Date(never) } : { custom: noCustom })
  return {
    isKept,
    isInClaims: fromClaims !== null,
    isInAccounts: fromAccount !== null,
    ofClaims: claims =>
      fromClaims === null ? nothing() : { custom: readCustom("customProfile.fromClaims", fromClaims(claims)) },
    ofAccount: (account, given) =>
      fromAccount === null
        ? nothing()
        : {
            custom: readCustom(
              "customProfile.fromAccount",
              fromAccount(Object.freeze({ ...account, attributes: listsIn(given) })),
            ),
          },
  }
}

/** What goes into the row of an account, as it was read or sent. */
export function profileOfAccount(
  custom: CustomReader,
  { issuer, subject }: UserIdentity,
  { username, email, emailVerified, firstName, lastName }: Omit<ProfileAccount, "attributes">,
  attributes: unknown,
  asOf: Date,
): UserProfile {
  const names = { username, email, emailVerified, firstName, lastName }
  return { issuer, subject, ...names, ...custom.ofAccount(names, attributes), asOf }
}

// A date before all others: whoever tells something is right.
const never = 0

/** Whether the source of this profile says nothing of `custom`. */
export function isSilent({ customAsOf }: UserProfile): boolean {
  return customAsOf?.getTime() === never
}

// Above it, two texts are compared by their hashes: they are kept for every person who was seen.
const longestText = 500

/** A text that is the same for equal values, in whatever order their members come. */
export function customText(custom: UserProfile["custom"]): string {
  const text = custom === noCustom ? "{}" : canonical(custom)
  return text.length <= longestText ? text : createHash("sha256").update(text).digest("base64url")
}

function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}

const longest = 65_536
const deepest = 32

function readCustom(by: string, given: unknown): UserProfile["custom"] {
  // Nobody waits for it, and its rejection would end the process.
  if (given instanceof Promise) given.catch(() => undefined)
  if (!isPlain(given)) throw wrong(by, "", `${kindOf(given)}; expected a plain object, at once`)
  // Each value takes a character at least, so no more of them need be looked at.
  const room = { left: longest }
  const copy = copied(by, given, "", deepest, room) as UserProfile["custom"]
  if (JSON.stringify(copy).length > longest) throw tooLong(by)
  return copy
}

/** A frozen copy: what the application has made may change. */
function copied(by: string, value: unknown, path: string, depth: number, room: { left: number }): JsonValue {
  room.left -= 1 + (Array.isArray(value) ? value.length : 0)
  if (room.left < 0) throw tooLong(by)
  if (depth === 0) throw wrong(by, path, `something deeper than ${deepest} objects, or a circle`)
  if (value === null || typeof value === "string" || typeof value === "boolean") return value
  if (typeof value === "number" && Number.isFinite(value)) return value
  if (Array.isArray(value))
    // Holes of a list too.
    return Object.freeze(Array.from(value, (one, at) => copied(by, one ?? null, `${path}[${at}]`, depth - 1, room)))
  if (!isPlain(value))
    throw wrong(by, path, `${whatIs(value)}; expected text, a number, true, false, null, lists or objects`)
  const members = Object.entries(value).filter(([name, one]) => one !== undefined && name !== "__proto__")
  return Object.freeze(
    Object.fromEntries(
      members.map(([name, one]) => [name, copied(by, one, path === "" ? name : `${path}.${name}`, depth - 1, room)]),
    ),
  )
}

function tooLong(by: string): GateError {
  return wrong(by, "", `more than ${longest} characters; keep what the application looks at on each request`)
}

function whatIs(value: unknown): string {
  return typeof value === "number" ? String(value) : value instanceof Date ? "a Date" : kindOf(value)
}

function wrong(by: string, path: string, what: string): GateError {
  const place = path === "" ? "" : ` at \`${printable(path)}\``
  return new GateError("config_invalid", `\`${by}\` gave ${what}${place}.`)
}

/** An object of this realm of JavaScript or of another one, such as a test runner's. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function listsIn(attributes: unknown): ProfileAccount["attributes"] {
  const lists: Record<string, readonly string[]> = Object.create(null)
  for (const [name, values] of Object.entries(attributes ?? {})) {
    if (Array.isArray(values)) lists[name] = Object.freeze(values.filter(value => typeof value === "string"))
  }
  return Object.freeze(lists)
}
