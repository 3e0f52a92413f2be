import { type Answer, type Call, empty, json, NotKnown, serverError } from "../answer.js"
import { type AccountData, valuesOf } from "../protocol/protocol-mappers.js"
import { type Account, requireAction } from "../realm/accounts.js"
import type { Attributes } from "../realm/attributes.js"
import { hashedPassword, type Password, plainPassword, storedPassword } from "../realm/password.js"
import type { RealmModel } from "../realm/realm-model.js"
import { isEditedByAdmin, type ProfileProblem, problemsForAdmin } from "../realm/user-profile.js"
import { type Kind, type Parsed, parseObject } from "./json-body.js"

const userKinds: Readonly<Record<string, Kind>> = {
  ...{ id: "text", username: "text", email: "text", firstName: "text", lastName: "text" },
  ...{ enabled: "flag", emailVerified: "flag", totp: "flag", createdTimestamp: "number", notBefore: "number" },
  ...{ attributes: "map", credentials: "list", requiredActions: "list", groups: "list", realmRoles: "list" },
  ...{ clientRoles: "any", applicationRoles: "any", federatedIdentities: "any", socialLinks: "any", self: "any" },
  ...{ origin: "any", federationLink: "any", serviceAccountClientId: "any", clientConsents: "any", access: "any" },
  ...{ disableableCredentialTypes: "any", userProfileMetadata: "any" },
}

const credentialKinds: Readonly<Record<string, Kind>> = {
  ...{ id: "text", type: "text", value: "text", temporary: "flag", userLabel: "text", createdDate: "number" },
  ...{ secretData: "text", credentialData: "text", priority: "number", federationLink: "any" },
  ...{ hashedSaltedValue: "text", salt: "text", hashIterations: "number", algorithm: "text", counter: "number" },
  ...{ digits: "number", period: "number", device: "text", config: "any" },
}

interface Names {
  readonly username: string | null
  readonly email: string | null
  readonly firstName: string | null
  readonly lastName: string | null
}

/** What a PUT or POST of an account says, with null for what it does not mention. */
interface Wanted extends Names {
  readonly attributes: Attributes | null
  readonly enabled: boolean | null
  readonly emailVerified: boolean | null
  readonly requiredActions: readonly string[] | null
  readonly credentials: readonly Credential[]
}

interface Credential {
  readonly password: Password
  /** Null: a hash, which no policy is asked about. */
  readonly value: string | null
  readonly isTemporary: boolean
  /** Null, as what follows: not said. A value in clear makes Keycloak forget all three. */
  readonly id: string | null
  readonly userLabel: string | null
  readonly createdDate: number | null
}

export function createUser(realm: RealmModel, call: Call): Answer {
  const parsed = parseObject(call, "UserRepresentation", userKinds)
  if ("refusal" in parsed) return parsed.refusal
  const wanted = wantedOf(parsed.value)
  if ("status" in wanted) return wanted
  const username = realm.settings.emailAsUsername ? (wanted.email ?? wanted.username) : wanted.username
  if (username === null || username.trim() === "") return json(400, { errorMessage: "User name is missing" })
  const taken = conflict(realm, { username, email: wanted.email }, null)
  if (taken !== null) return taken

  const values = {
    username: username.toLowerCase(),
    email: isOfPeople(realm, "email") ? null : wanted.email?.toLowerCase() || null,
    firstName: keptName(realm, "firstName", wanted.firstName, null),
    lastName: keptName(realm, "lastName", wanted.lastName, null),
    attributes: keptAttributes(realm, wanted.attributes ?? {}, {}),
  }
  const refusal = profileRefusal(realm, values) ?? policyRefusal(realm, wanted.credentials, values)
  if (refusal !== null) return refusal
  const groups = ((parsed.value.groups ?? []) as readonly unknown[]).map(path => realm.groups.byPath(String(path)))
  if (groups.includes(undefined)) return serverError()
  const unusable = idRefusal(realm, wanted.credentials, null)
  if (unusable !== null) return unusable

  const { createdTimestamp } = parsed.value
  const account = realm.accounts.add({
    ...values,
    enabled: wanted.enabled ?? false,
    emailVerified: wanted.emailVerified ?? false,
    requiredActions: knownActions(realm, wanted.requiredActions ?? []),
    ...(typeof createdTimestamp === "number" && { createdTimestamp }),
  })
  account.roles.add(realm.defaultRole)
  for (const group of [...realm.defaultGroups, ...groups]) if (group !== undefined) account.groups.add(group)
  const byDefault = [...realm.requiredActions].filter(([, action]) => action.isEnabled && action.isDefault)
  for (const [alias] of byDefault) requireAction(account, alias)
  setPasswords(account, wanted.credentials)
  const location = `${call.origin}/admin/realms/${encodeURIComponent(realm.name)}/users/${account.id}`
  return empty(201, { location })
}

/** Absent members keep their value, unless `attributes` is there: then absent names and e-mail are removed too. */
export function updateUser(realm: RealmModel, account: Account, call: Call): Answer {
  const parsed = parseObject(call, "UserRepresentation", userKinds)
  if ("refusal" in parsed) return parsed.refusal
  const wanted = wantedOf(parsed.value)
  if ("status" in wanted) return wanted
  const { emailAsUsername, editUsername } = realm.settings
  const renamed = emailAsUsername ? (wanted.email ?? account.username) : (wanted.username ?? account.username)
  if (renamed.trim() === "") return json(400, { errorMessage: "User name is missing" })
  const taken = conflict(realm, { username: renamed, email: wanted.email }, account)
  if (taken !== null) return taken
  if (renamed.toLowerCase() !== account.username && !editUsername && !emailAsUsername)
    return profileAnswer([readOnly("username")])
  const peoples = namesOfPeople(realm, { ...wanted, username: renamed }, account)
  if (peoples.length > 0) return profileAnswer(peoples.map(readOnly))

  const absent = (kept: string | null) => (wanted.attributes === null ? kept : null)
  const text = (given: string | null, kept: string | null) => (given === null ? absent(kept) : given || null)
  const values = {
    username: renamed.toLowerCase(),
    email: text(wanted.email?.toLowerCase() ?? null, account.email),
    firstName: keptName(realm, "firstName", text(wanted.firstName, account.firstName), account.firstName),
    lastName: keptName(realm, "lastName", text(wanted.lastName, account.lastName), account.lastName),
    attributes:
      wanted.attributes === null ? account.attributes : keptAttributes(realm, wanted.attributes, account.attributes),
  }
  const refusal = profileRefusal(realm, values) ?? policyRefusal(realm, wanted.credentials, values)
  if (refusal !== null) return refusal
  const unusable = account.password === null ? idRefusal(realm, wanted.credentials, account) : null
  if (unusable !== null) return unusable
  const isUnlocked = wanted.enabled === true && account.attributes.disabledReason !== undefined
  Object.assign(account, values)
  if (isUnlocked) unlock(realm, account)
  account.enabled = wanted.enabled ?? account.enabled
  account.emailVerified = wanted.emailVerified ?? account.emailVerified
  if (wanted.requiredActions !== null) account.requiredActions = knownActions(realm, wanted.requiredActions)
  setPasswords(account, wanted.credentials)
  return empty(204)
}

export function resetPassword(realm: RealmModel, account: Account, call: Call): Answer {
  const parsed = parseObject(call, "CredentialRepresentation", credentialKinds)
  if ("refusal" in parsed) return parsed.refusal
  const { value, temporary } = parsed.value
  if (typeof value !== "string") return json(400, { error: "No password provided" })
  if (value.trim() === "") return json(400, { error: "Empty password not allowed" })
  const unsaid = { id: null, userLabel: null, createdDate: null }
  const credential = { ...unsaid, password: plainPassword(value), value, isTemporary: temporary === true }
  const refusal = policyRefusal(realm, [credential], account)
  if (refusal !== null) return refusal
  account.requiredActions = account.requiredActions.filter(action => action !== "UPDATE_PASSWORD")
  setPasswords(account, [credential])
  return empty(204)
}

export function unlock(realm: RealmModel, account: Account): void {
  const { disabledReason: _reason, ...attributes } = account.attributes
  account.attributes = attributes
  realm.bruteForce.forget(account)
}

/** What is asked for, or how Keycloak falls over it. */
function wantedOf(given: Parsed): Wanted | Answer {
  const text = (name: string) => (given[name] ?? null) as string | null
  const flag = (name: string) => (given[name] ?? null) as boolean | null
  const credentials = ((given.credentials ?? []) as readonly Record<string, unknown>[]).map(credentialOf)
  const broken = credentials.find(one => "status" in one)
  if (broken !== undefined && "status" in broken) return broken
  return {
    username: text("username"),
    email: text("email"),
    firstName: text("firstName"),
    lastName: text("lastName"),
    attributes: given.attributes === undefined || given.attributes === null ? null : asAttributes(given.attributes),
    enabled: flag("enabled"),
    emailVerified: flag("emailVerified"),
    requiredActions: (given.requiredActions ?? null) as readonly string[] | null,
    credentials: credentials.filter(one => "password" in one),
  }
}

/** A value in clear wins over a hash; with neither of them Keycloak falls over. */
function credentialOf(given: Record<string, unknown>): Credential | Answer {
  const { type = "password", value, temporary, id, userLabel, createdDate } = given
  if (type !== "password") throw new NotKnown("takes only passwords for the credentials of an account.")
  const isTemporary = temporary === true
  if (typeof value === "string")
    return { password: plainPassword(value), value, isTemporary, id: null, userLabel: null, createdDate: null }
  const { secretData, credentialData } = hashOf(given)
  if (typeof secretData !== "string" || typeof credentialData !== "string") return serverError()
  if (!isJson(secretData) || !isJson(credentialData)) return notParsed("invalid_request")
  if (hasTooManyIterations(credentialData)) return notParsed("unknown_error")
  return {
    password: hashedPassword(secretData, credentialData),
    value: null,
    isTemporary,
    id: typeof id === "string" ? id : null,
    userLabel: typeof userLabel === "string" ? userLabel : null,
    createdDate: typeof createdDate === "number" ? createdDate : null,
  }
}

/** The parts of a hash, or the four members that older versions had in their place. */
function hashOf({ secretData, credentialData, hashedSaltedValue: value, ...given }: Record<string, unknown>): {
  readonly secretData: unknown
  readonly credentialData: unknown
} {
  if (value === undefined) return { secretData, credentialData }
  const { salt, hashIterations, algorithm } = given
  return {
    secretData: JSON.stringify({ value, salt }),
    credentialData: JSON.stringify({ hashIterations, algorithm }),
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What is no whole number of 32 bits. */
function hasTooManyIterations(credentialData: string): boolean {
  const { hashIterations } = JSON.parse(credentialData) as { hashIterations?: unknown }
  return Number(hashIterations) > 2_147_483_647
}

function notParsed(error: string): Answer {
  return json(500, { error, error_description: "Cannot parse the JSON" })
}

function asAttributes(given: unknown): Attributes {
  const entries = Object.entries(given as Record<string, unknown>)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, [value].flat().map(String)]).filter(([, values]) => values?.length !== 0),
  )
}

function conflict(
  { accounts }: RealmModel,
  { username, email }: { username: string; email: string | null },
  self: Account | null,
): Answer | null {
  const isOther = (account: Account | undefined) => account !== undefined && account !== self
  const isTaken = (name: string) => isOther(accounts.byUsername(name)) || isOther(accounts.byEmail(name))
  if (email && isTaken(email)) return json(409, { errorMessage: "User exists with same email" })
  return isTaken(username) ? json(409, { errorMessage: "User exists with same username" }) : null
}

/** Names that an administrator would change although the profile leaves them to the person. */
function namesOfPeople(realm: RealmModel, wanted: Names, before: Names): readonly string[] {
  const isOther = (name: keyof Names) =>
    Boolean(wanted[name]) && wanted[name]?.toLowerCase() !== before[name]?.toLowerCase()
  return (["username", "email", "firstName", "lastName"] as const).filter(
    name => isOther(name) && isOfPeople(realm, name),
  )
}

/** Where the e-mail is the username, it is taken whatever the profile says. */
function isOfPeople({ profile, settings }: RealmModel, name: string): boolean {
  if (name === "email" && settings.emailAsUsername) return false
  return profile.attributes.some(attribute => attribute.name === name) && !isEditedByAdmin(profile, name)
}

function readOnly(name: string): ProfileProblem {
  return { field: name, errorMessage: "error-user-attribute-read-only", params: [name] }
}

/** A name that administrators may not edit stays as it was; one of blanks is none. */
function keptName({ profile }: RealmModel, name: string, given: string | null, before: string | null): string | null {
  const isKnown = profile.attributes.some(attribute => attribute.name === name)
  return isKnown && isEditedByAdmin(profile, name) ? nonBlank(given) : before
}

function nonBlank(text: string | null): string | null {
  return text === null || text.trim() === "" ? null : text
}

/** What administrators may not write is dropped without a word, and stays as it was where the profile knows it. */
function keptAttributes({ profile, settings }: RealmModel, attributes: Attributes, before: Attributes): Attributes {
  const own = ["username", "email", "firstName", "lastName"]
  const mayWrite = (name: string) => isEditedByAdmin(profile, name) || (name === "locale" && settings.hasLanguages)
  const given = Object.entries(attributes).filter(([name]) => !own.includes(name) && mayWrite(name))
  const managed = profile.attributes.map(({ name }) => name)
  const kept = Object.entries(before).filter(([name]) => managed.includes(name) && !mayWrite(name))
  return Object.fromEntries([...kept, ...given])
}

const writtenByKeycloak: ReadonlySet<string> = new Set([
  ...["KERBEROS_PRINCIPAL", "LDAP_ID", "LDAP_ENTRY_DN", "CREATED_TIMESTAMP", "createTimestamp", "modifyTimestamp"],
])

function profileRefusal(realm: RealmModel, values: AccountData): Answer | null {
  const managed = realm.profile.attributes.map(({ name }) => name)
  const all = valuesOf(values)
  const tooLong = Object.entries(all)
    .filter(([name, list]) => !managed.includes(name) && list.some(value => value.length > 2048))
    .map(([name]) => ({ field: name, errorMessage: "error-invalid-length", params: [name, 0, 2048] }))
  const reserved = Object.keys(all)
    .filter(name => writtenByKeycloak.has(name))
    .map(name => ({ field: name, errorMessage: "updateReadOnlyAttributesRejectedMessage", params: [name] }))
  const isNameless = realm.settings.emailAsUsername && values.email === null
  const nameless = { field: "email", errorMessage: "error-user-attribute-required", params: ["email"] }
  const problems = [...(isNameless ? [nameless] : []), ...problemsForAdmin(realm.profile, all), ...tooLong, ...reserved]
  return problems.length === 0 ? null : profileAnswer(problems)
}

function profileAnswer(problems: readonly ProfileProblem[]): Answer {
  return json(400, problems.length === 1 ? problems[0] : { errors: problems })
}

function policyRefusal(
  realm: RealmModel,
  credentials: readonly Credential[],
  account: Pick<Account, "username" | "email">,
) {
  for (const { value } of credentials) {
    // An empty one gets past the policy, and nobody can log in with it.
    const broken = value === null || value === "" ? null : realm.passwordPolicy.broken(value, account)
    if (broken !== null) return json(400, { error: broken.error, error_description: broken.description })
  }
  return null
}

/** Unknown actions are dropped without a word. */
function knownActions(realm: RealmModel, actions: readonly string[]): readonly string[] {
  return [...new Set(actions)].filter(action => realm.requiredActions.has(action))
}

/** The id of a credential that is there already stays, whatever is sent. */
function setPasswords(account: Account, credentials: readonly Credential[]): void {
  for (const { password, isTemporary, id, userLabel, createdDate } of credentials) {
    const kept = account.password?.id ?? id
    account.password = storedPassword(password, {
      ...(kept !== null && { id: kept }),
      userLabel,
      ...(createdDate !== null && { createdDate }),
    })
    if (isTemporary) requireAction(account, "UPDATE_PASSWORD")
  }
}

/** Ids of credentials are keys of one table, with room for 36 characters. */
function idRefusal({ accounts }: RealmModel, credentials: readonly Credential[], self: Account | null): Answer | null {
  const ids = credentials.map(({ id }) => id).filter(id => id !== null)
  if (ids.some(id => id.length > 36)) return serverError()
  const isUsed = accounts.all().some(one => one !== self && ids.includes(one.password?.id ?? ""))
  return isUsed ? json(409, { errorMessage: "User exists with same username or email" }) : null
}
