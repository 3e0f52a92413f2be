import { readAccount, removeAccount, type StoredAccount } from "../accounts/keycloak/account.js"
import { type Channel, openChannel } from "../accounts/keycloak/channel.js"
import { groupExists } from "../accounts/keycloak/create.js"
import { type RegistrationRules, readRules } from "../accounts/keycloak/rules.js"
import { type FieldProblem, isGateError } from "../errors.js"
import { refused as keycloakRefused } from "../keycloak/set-up-errors.js"
import { profileOfAccount } from "../users/custom-profile.js"
import type { UserKey, UserProfile } from "../users/user-store.js"
import type { AdoptionParts } from "./adoption-parts.js"
import type { AtOnce } from "./at-once.js"
import {
  actionsBehindDoor,
  beginAccount,
  closingActions,
  findOwner,
  isBegun,
  type NewClosedAccount,
  openAccount,
  removeBegun,
} from "./closed-account.js"
import { credentialIdOf } from "./credential-id.js"
import { type AdoptedPerson, type ImportedPerson, type RefusedPerson, refused } from "./import-result.js"
import { hashOfNothing, hashProblems, nameOf, toCredential } from "./password-hash.js"
import { type ReadPerson, readPerson } from "./person.js"
import { tieRow } from "./tie-row.js"

/** Brings in one person, in any state that an earlier run or somebody beside this one has left. */
export type BringIn<User> = (person: unknown) => Promise<ImportedPerson<User>>

/** How people are brought in. */
export interface BringInHow {
  readonly isDryRun: boolean
  /** Whatever is asked of Keycloak about one of them. */
  readonly atOnce: AtOnce
}

/**
 * For one run: what the realm wants of people is asked once.
 *
 * The account is made closed, the row is tied to it, and then it is opened. Wherever that stops, the next run goes on.
 */
export function createBringIn<User>(parts: AdoptionParts<User>, { isDryRun, atOnce }: BringInHow): BringIn<User> {
  const { issuer } = parts.connection.realm
  const channel = openChannel(parts.connection, "background")
  const rules = once(() => readRules(channel))
  const groups = createGroups(channel)
  const defaults = createDefaultActions(channel, id => readAccount(channel, id))

  async function check(given: unknown): Promise<RefusedPerson | Checked> {
    const person = readPerson(given)
    if ("problems" in person) return refused(person.key, "person_invalid", person.problems)
    const { key, password, attributes } = person
    const badHash = password === null ? [] : hashProblems(password)
    if (password !== null && badHash.length > 0) return refused(key, "hash_unreadable", badHash, nameOf(password))
    const realm = await rules()
    const names = namesFor(person, realm)
    if (names === null) return refused(key, "person_invalid", [required("email")])
    const dropped = Object.keys(attributes).filter(name => !isKept(name, realm))
    if (dropped.length > 0) return refused(key, "attribute_dropped", dropped.map(problemOf("dropped")))
    const unknown = await groups.unknown(person.groups)
    if (unknown.length > 0) return refused(key, "group_unknown", [problemOf("unknown")("groups")])
    return { person, names, lacks: lacking({ ...person, ...names }, realm) }
  }

  function newAccount({ person, names }: Checked): NewClosedAccount {
    const { key, password, attributes, groups, enabled } = person
    return {
      ...names,
      attributes,
      groups,
      emailVerified: person.emailVerified && names.email !== null,
      isShut: !enabled,
      requiredActions: password === null ? ["UPDATE_PASSWORD"] : [],
      credential: toCredential(credentialIdOf(issuer, key), password ?? hashOfNothing()),
    }
  }

  async function look(checked: Checked): Promise<ImportedPerson<User>> {
    const { person, names } = checked
    const owner = await atOnce(() => findOwner(channel, credentialIdOf(issuer, person.key), names))
    if (owner.is === "nobody") return adopted(checked, "created", null, null)
    if (owner.is === "taken") return taken(person.key, owner)
    const { id } = owner.account
    const isTied = Boolean(await parts.store.findUser({ issuer, subject: id }))
    return adopted(checked, isTied && !isBegun(owner.account) ? "existing" : "linked", id, null)
  }

  async function bring(checked: Checked): Promise<ImportedPerson<User>> {
    const { person } = checked
    const account = newAccount(checked)
    const begun = await atOnce(() => beginAccount(channel, account))
    if (begun.is === "elsewhere") return refused(person.key, "key_used")
    if (begun.is === "taken") return taken(person.key, begun)
    if (begun.is === "own") return finish(checked, begun.account)
    const { id, asOf } = begun
    const profile = profileOf(parts, { ...account, ...lowerCase(account), id, asOf })
    const tied = await tieRow(parts, person.key, profile, true)
    if (tied === null) {
      if (account.isShut) await removeAccount(channel, id)
      else await removeBegun(channel, id)
      return refused(person.key, "row_taken")
    }
    if (person.enabled && (await open(id, account)) === "absent") return refused(person.key, "account_gone")
    return adopted(checked, "created", id, tied.user)
  }

  async function open(id: string, account: NewClosedAccount): Promise<"done" | "absent"> {
    const asked = await defaults.of(id, account)
    // Another run saw the tied row first.
    if (asked === "open already") return "done"
    const requiredActions = [...account.requiredActions, ...asked]
    return atOnce(() => openAccount(channel, id, { enabled: true, requiredActions }))
  }

  /** An account that was made for this row before. */
  async function finish(checked: Checked, account: StoredAccount): Promise<ImportedPerson<User>> {
    const { key, enabled, password } = checked.person
    const isClosed = isBegun(account)
    const tied = await tieRow(parts, key, profileOf(parts, account), isClosed)
    if (tied === null) {
      await removeBegun(channel, account.id)
      return refused(key, "row_taken")
    }
    if (!isClosed) return adopted(checked, tied.wasTied ? "existing" : "linked", account.id, tied.user)
    // The person may have taken another password since, in the application of old.
    const credential = password === null ? undefined : newAccount(checked).credential
    const actions = actionsBehindDoor(account)
    const requiredActions = password === null ? actions : actions.filter(action => action !== "UPDATE_PASSWORD")
    const open = () => openAccount(channel, account.id, { enabled, requiredActions, credential })
    if ((await atOnce(open)) === "absent") return refused(key, "account_gone")
    return adopted(checked, "linked", account.id, tied.user)
  }

  return async given => {
    const checked = await check(given)
    if ("outcome" in checked) return checked
    try {
      return await (isDryRun ? look(checked) : bring(checked))
    } catch (error) {
      if (!isGateError(error) || error.code !== "account_rejected") throw error
      return refused(checked.person.key, "account_rejected", error.fields)
    }
  }
}

/** Somebody about whom nothing has to be asked of the person any more. */
interface Checked {
  readonly person: ReadPerson
  readonly names: AccountNames
  readonly lacks: readonly FieldProblem[]
}

interface AccountNames {
  readonly username: string
  readonly email: string | null
  readonly firstName: string | null
  readonly lastName: string | null
}

/** What the account will be called, without names that the realm leaves to the person; null where it needs an e-mail. */
function namesFor(
  { username, email, firstName, lastName }: ReadPerson,
  { emailAsUsername, writable }: RegistrationRules,
): AccountNames | null {
  const kept = (name: string, value: string | null) => (writable.includes(name) ? value : null)
  const name = emailAsUsername ? email : (username ?? email)
  if (name === null) return null
  return {
    username: name,
    email: emailAsUsername ? email : kept("email", email),
    firstName: kept("firstName", firstName),
    lastName: kept("lastName", lastName),
  }
}

function isKept(name: string, { known, writable, keepsUnknown }: RegistrationRules): boolean {
  return writable.includes(name) || (keepsUnknown && !known.includes(name))
}

/** What Keycloak will ask for before it lets the person in. */
function lacking(
  person: AccountNames & Pick<ReadPerson, "attributes">,
  rules: RegistrationRules,
): readonly FieldProblem[] {
  const { username, email, firstName, lastName, attributes } = person
  const given: Readonly<Record<string, unknown>> = { ...attributes, username, email, firstName, lastName }
  return rules.required.filter(name => (given[name] ?? null) === null).map(required)
}

const required = (field: string): FieldProblem => problemOf("required")(field)

function problemOf(rule: string): (field: string) => FieldProblem {
  return field => ({ field, rule, params: [] })
}

function taken(
  key: UserKey,
  { field, isImported }: { readonly field: "username" | "email" | null; readonly isImported: boolean },
): RefusedPerson {
  const fields = (field === null ? ["username", "email"] : [field]).map(problemOf("taken"))
  return refused(key, isImported ? "name_shared" : "user_exists", fields)
}

function adopted<User>(
  { person, lacks }: Checked,
  outcome: AdoptedPerson<User>["outcome"],
  subject: string | null,
  user: User | null,
): AdoptedPerson<User> {
  return Object.freeze({ key: person.key, outcome, subject, user, code: null, fields: Object.freeze([...lacks]) })
}

type ToldAccount = Pick<
  StoredAccount,
  "id" | "username" | "email" | "emailVerified" | "firstName" | "lastName" | "attributes" | "asOf"
>

function profileOf({ connection, custom }: AdoptionParts<unknown>, account: ToldAccount): UserProfile {
  const { id: subject, attributes, asOf } = account
  return profileOfAccount(custom, { issuer: connection.realm.issuer, subject }, account, attributes, asOf)
}

/** Keycloak's own folding; reading each account back would cost a third of the time. */
function lowerCase({ username, email }: Pick<NewClosedAccount, "username" | "email">) {
  return { username: username.toLowerCase(), email: email?.toLowerCase() ?? null }
}

/** Asks until it was answered once. */
function once<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  let answer: Promise<Value> | null = null
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = null
      throw error
    })
    return answer
  }
}

const rememberedGroups = 1000

/** Groups are asked for before an account is made: Keycloak says of an unknown one no more than 500. */
function createGroups(channel: Channel): {
  readonly unknown: (paths: readonly string[]) => Promise<readonly string[]>
} {
  const asked = new Map<string, () => Promise<boolean>>()
  function exists(path: string): Promise<boolean> {
    const known = asked.get(path) ?? once(() => groupExists(channel, path))
    if (asked.size < rememberedGroups) asked.set(path, known)
    return known()
  }
  return {
    async unknown(paths) {
      const found = await Promise.all(paths.map(exists))
      return paths.filter((_, index) => found[index] === false)
    },
  }
}

/** What the realm asks of every new account, which the first closed account of a run tells. */
function createDefaultActions({ api, realm }: Channel, read: (id: string) => Promise<StoredAccount | null>) {
  let learnt: Promise<readonly string[] | "open already"> | null = null

  async function learn(id: string, { requiredActions }: NewClosedAccount): Promise<readonly string[] | "open already"> {
    const account = await read(id)
    if (account === null) return []
    if (account.enabled) return "open already"
    if (isBegun(account)) return actionsBehindDoor(account).filter(action => !requiredActions.includes(action))
    throw keycloakRefused(
      `The realm "${realm.name}" does not keep the required actions that mark a closed account (${closingActions.join(", ")}), ` +
        `as the service account of "${api.clientId}" sends them; is one of these providers switched off on the server?`,
    )
  }

  return {
    async of(id: string, account: NewClosedAccount): Promise<readonly string[] | "open already"> {
      learnt ??= learn(id, account)
      const asked = learnt
      const forget = () => {
        if (learnt === asked) learnt = null
      }
      const actions = await asked.catch((error: unknown) => {
        forget()
        throw error
      })
      if (actions !== "open already") return actions
      // It tells nothing of the others, who ask again.
      forget()
      return learn(id, account)
    },
  }
}
