import { type Attributes, valuesUnder } from "./attributes.js"

/** A realm's user profile: which attributes people have, and what may be in them. */
export interface UserProfile {
  readonly attributes: readonly ProfileAttribute[]
  readonly groups?: readonly unknown[]
  readonly unmanagedAttributePolicy?: string
}

interface ProfileAttribute {
  readonly name: string
  readonly displayName?: string
  readonly validations?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly annotations?: unknown
  readonly required?: { readonly roles?: readonly string[]; readonly scopes?: readonly string[] }
  readonly permissions?: { readonly view?: readonly string[]; readonly edit?: readonly string[] }
  readonly multivalued?: boolean
  readonly [name: string]: unknown
}

export interface ProfileProblem {
  readonly field: string
  readonly errorMessage: string
  readonly params: readonly unknown[]
}

const permissions = { view: ["admin", "user"], edit: ["admin", "user"] }
const name = { length: { max: 255 }, "person-name-prohibited-characters": {} }
const ofUsers = { roles: ["user"] }

export const defaultUserProfile: UserProfile = {
  attributes: [
    {
      name: "username",
      displayName: "$" + "{username}",
      validations: {
        length: { min: 3, max: 255 },
        "username-prohibited-characters": {},
        "up-username-not-idn-homograph": {},
      },
      permissions,
      multivalued: false,
    },
    {
      name: "email",
      displayName: "$" + "{email}",
      validations: { email: {}, length: { max: 255 } },
      required: ofUsers,
      permissions,
      multivalued: false,
    },
    ...["firstName", "lastName"].map(one => ({
      name: one,
      displayName: `$\{${one}}`,
      validations: name,
      required: ofUsers,
      permissions,
      multivalued: false,
    })),
  ],
  groups: [
    {
      name: "user-metadata",
      displayHeader: "User metadata",
      displayDescription: "Attributes, which refer to user metadata",
    },
  ],
}

/** What an administrator may do with an attribute of people. */
export interface ShownAttribute {
  readonly name: string
  readonly required: boolean
  readonly readOnly: boolean
  readonly multivalued: boolean
}

/** The profile as an administrator sees it; the language is an attribute that Keycloak adds by itself. */
export function attributesForAdmin({ attributes = [] }: UserProfile, hasLanguages: boolean): readonly ShownAttribute[] {
  const language = { name: "locale", required: false, readOnly: false, multivalued: false }
  const shown = attributes.flatMap(({ name, required, permissions, multivalued = false }) => {
    const { view = [], edit = [] } = permissions ?? {}
    if (![...view, ...edit].includes("admin")) return []
    const { roles = [], scopes = [] } = required ?? { roles: ["nobody"] }
    const isRequired = name === "username" || (scopes.length === 0 && (roles.length === 0 || roles.includes("admin")))
    return [{ name, required: isRequired, readOnly: !edit.includes("admin"), multivalued }]
  })
  return hasLanguages ? [language, ...shown] : shown
}

/** The validations of a profile that this server does not know. */
export function unknownValidations({
  attributes = [],
}: UserProfile): readonly (readonly [attribute: string, validation: string])[] {
  return attributes.flatMap(({ name, validations = {} }) =>
    Object.keys(validations)
      .filter(one => !(one in validators))
      .map(one => [name, one] as const),
  )
}

/** An attribute that lists no permissions is nobody's; one that the profile does not know is as open as the realm is. */
export function isSeenByAdmin(profile: UserProfile, name: string): boolean {
  const managed = profile.attributes.find(attribute => attribute.name === name)
  if (managed === undefined)
    return ["ENABLED", "ADMIN_EDIT", "ADMIN_VIEW"].includes(profile.unmanagedAttributePolicy ?? "")
  return managed.permissions?.view?.includes("admin") === true || isEditedByAdmin(profile, name)
}

export function isEditedByAdmin(profile: UserProfile, name: string): boolean {
  const managed = profile.attributes.find(attribute => attribute.name === name)
  if (managed === undefined) return ["ENABLED", "ADMIN_EDIT"].includes(profile.unmanagedAttributePolicy ?? "")
  return managed.permissions?.edit?.includes("admin") === true
}

/** The problems of an account that an administrator writes: nothing is required of whom only a `user` must give it. */
export function problemsForAdmin(profile: UserProfile, values: Attributes): readonly ProfileProblem[] {
  return profile.attributes.flatMap(attribute => [
    ...(isMissing(attribute, values, "admin") ? [missing(attribute)] : []),
    ...invalid(attribute, valuesUnder(values, attribute.name)),
  ])
}

/** Whether the person would be asked to complete or mend the profile before a login. */
export function isIncomplete(profile: UserProfile, values: Attributes, scopes: readonly string[]): boolean {
  return profile.attributes.some(
    attribute =>
      isMissing(attribute, values, "user", scopes) ||
      invalid(attribute, valuesUnder(values, attribute.name)).length > 0,
  )
}

function isMissing(
  { name, required }: ProfileAttribute,
  values: Attributes,
  role: "admin" | "user",
  scopes: readonly string[] = [],
): boolean {
  if (required === undefined || required === null) return false
  const { roles = [], scopes: forScopes = [] } = required
  if (forScopes.length > 0 && !forScopes.some(scope => scopes.includes(scope))) return false
  if (roles.length > 0 && !roles.includes(role)) return false
  return !valuesUnder(values, name).some(value => value.trim() !== "")
}

function missing({ name }: ProfileAttribute): ProfileProblem {
  return { field: name, errorMessage: "error-user-attribute-required", params: [name] }
}

function invalid(attribute: ProfileAttribute, values: readonly string[]): readonly ProfileProblem[] {
  const given = values.filter(value => value !== "")
  const problems = given.flatMap(value =>
    Object.entries(attribute.validations ?? {}).flatMap(([validation, config]) =>
      (validators[validation]?.(value, config ?? {}) ?? []).map(([errorMessage, ...params]) => ({
        field: attribute.name,
        errorMessage,
        params: [attribute.name, ...params],
      })),
    ),
  )
  return [...wrongNumber(attribute, given.length), ...problems]
}

function wrongNumber({ name, multivalued = false, validations }: ProfileAttribute, count: number): ProfileProblem[] {
  const { min, max } = validations?.multivalued ?? {}
  const least = optionalNumber(min) ?? 0
  const most = optionalNumber(max) ?? (multivalued ? Number.POSITIVE_INFINITY : 1)
  if (count >= least && count <= most) return []
  return [{ field: name, errorMessage: "error-invalid-multivalued-size", params: [name, least, most] }]
}

type Problem = readonly [errorMessage: string, ...params: unknown[]]
type Validator = (value: string, config: Readonly<Record<string, unknown>>) => readonly Problem[]

// Java's control characters: all of ASCII, and of the others only the one that ends a line.
const control = String.raw`[^\P{Cc}\x80-\x84\x86-\x9f]`
const prohibitedInNames = new RegExp(String.raw`[<>&"$%!#?§;*~/\\|^=\[\]\{\}\(\)\u2028\u2029]|${control}`, "u")
const prohibitedInUsernames = new RegExp(String.raw`[<>&"'\s\u180e$%!#?§,;:*~/\\|^=\[\]\{\}\(\)\x60]|${control}`, "u")
const latin = /^[\p{Script=Latin}|\p{Script=Common}]+$/u

const validators: Readonly<Record<string, Validator>> = {
  length(value, { min, max, "trim-disabled": trimDisabled }) {
    const text = trimDisabled === true || trimDisabled === "true" ? value : value.trim()
    const least = optionalNumber(min)
    const most = optionalNumber(max)
    if ((least === null || text.length >= least) && (most === null || text.length <= most)) return []
    if (least === null) return [["error-invalid-length-too-long", null, most]]
    return most === null ? [["error-invalid-length-too-short", least, null]] : [["error-invalid-length", least, most]]
  },
  email: value => (isEmail(value) ? [] : [["error-invalid-email", value]]),
  "username-prohibited-characters": value =>
    prohibitedInUsernames.test(value) ? [["error-username-invalid-character"]] : [],
  "person-name-prohibited-characters": value =>
    prohibitedInNames.test(value) ? [["error-person-name-invalid-character"]] : [],
  "up-username-not-idn-homograph": value => (latin.test(value) ? [] : [["error-username-invalid-character"]]),
  pattern: (value, { pattern, "error-message": message }) =>
    new RegExp(`^(?:${pattern})$`, "u").test(value) ? [] : [[String(message || "error-pattern-no-match"), pattern]],
  integer: (value, config) => inRange(value, /^[+-]?\d+$/, config),
  double: (value, config) => inRange(value, /^[+-]?(\d+\.?\d*|\.\d+)$/, config),
  multivalued: () => [], // of the list, not of each of its values
  options: (value, { options }) => (Array.isArray(options) && options.includes(value) ? [] : [["error-invalid-value"]]),
}

function inRange(value: string, form: RegExp, { min, max }: Readonly<Record<string, unknown>>): readonly Problem[] {
  if (!form.test(value)) return [["error-invalid-number"]]
  const least = optionalNumber(min)
  const most = optionalNumber(max)
  if ((least === null || Number(value) >= least) && (most === null || Number(value) <= most)) return []
  const which = least === null ? "-too-big" : most === null ? "-too-small" : ""
  return [[`error-number-out-of-range${which}`, least, most]]
}

function optionalNumber(value: unknown): number | null {
  return value === undefined || value === null || value === "" ? null : Number(value)
}

// The form that Keycloak takes: a local part of at most 64 letters, and labels of letters, digits and hyphens.
const atom = String.raw`[^\s\0-\x1f\x7f"(),.:;<>@[\\\]]+`
const localPart = new RegExp(String.raw`^(?:${atom}(?:\.${atom})*|"[^"\\\0-\x1f\x7f]+")$`)
const label = "[a-z0-9\\u0080-\\uffff](?:[a-z0-9\\u0080-\\uffff-]*[a-z0-9\\u0080-\\uffff])?"
const domain = new RegExp(String.raw`^(?:${label}(?:\.${label})*|\[[\d.]+\]|\[ipv6:[\da-f:]+\])$`, "i")

function isEmail(value: string): boolean {
  const at = value.lastIndexOf("@")
  const [local, host] = [value.slice(0, at), value.slice(at + 1)]
  if (at < 1 || local.length > 64 || host.length > 255 || host.split(".").some(part => part.length > 63)) return false
  return localPart.test(local) && domain.test(host)
}
