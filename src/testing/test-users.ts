import { GateError } from "../errors.js"
import type { Account } from "./realm/accounts.js"
import type { Attributes } from "./realm/attributes.js"
import type { Group } from "./realm/groups.js"
import { plainPassword, storedPassword } from "./realm/password.js"
import type { RealmModel } from "./realm/realm-model.js"

/** A person for a test; what is left out is made up, so that a login works. */
export interface NewTestUser {
  /** In a realm whose usernames are e-mails, the e-mail takes its place, as in Keycloak. */
  readonly username: string
  /** Default `{username}@example.test`; `null`: none, and Keycloak will not log the person in. */
  readonly email?: string | null | undefined
  readonly firstName?: string | null | undefined
  readonly lastName?: string | null | undefined
  /** Default a password that the returned user holds; `null`: none. The realm's policy is not asked. */
  readonly password?: string | null | undefined
  readonly emailVerified?: boolean | undefined
  readonly enabled?: boolean | undefined
  /** What Keycloak asks for at the next login, such as `"UPDATE_PASSWORD"`; the password grant then refuses. */
  readonly requiredActions?: readonly string[] | undefined
  /** Made when the realm does not have them; every user has the realm's default roles too. */
  readonly realmRoles?: readonly string[] | undefined
  readonly clientRoles?: Readonly<Record<string, readonly string[]>> | undefined
  /** Paths such as `"/editors"`; made when the realm does not have them. */
  readonly groups?: readonly string[] | undefined
  readonly attributes?: Attributes | undefined
}

/** A user as the realm has it now. */
export interface TestUser {
  /** The `sub` of this user's tokens. */
  readonly id: string
  readonly username: string
  readonly email: string | null
  readonly firstName: string | null
  readonly lastName: string | null
  readonly emailVerified: boolean
  readonly enabled: boolean
  readonly requiredActions: readonly string[]
  readonly groups: readonly string[]
  readonly attributes: Attributes
  /** How many logins of this user are alive. */
  readonly sessions: number
}

export interface AddedTestUser extends TestUser {
  readonly password: string | null
}

const password = "Test-password-1!"

export function addTestUser(realm: RealmModel, user: NewTestUser): AddedTestUser {
  const { accounts } = realm
  const email = user.email === undefined ? emailFor(user.username.toLowerCase()) : user.email
  const username = realm.settings.emailAsUsername ? (email ?? user.username) : user.username
  for (const name of [username, email])
    if (name !== null && (accounts.byUsername(name) ?? accounts.byEmail(name)) !== undefined)
      throw new GateError("config_invalid", `addUser: the realm has a user with this username or e-mail already.`)
  const account = accounts.add({
    username,
    email,
    firstName: user.firstName === undefined ? "Test" : user.firstName,
    lastName: user.lastName === undefined ? "User" : user.lastName,
    emailVerified: user.emailVerified ?? true,
    enabled: user.enabled ?? true,
    requiredActions: user.requiredActions ?? [],
    attributes: user.attributes ?? {},
  })
  const given = user.password === undefined ? password : user.password
  account.password = given === null ? null : storedPassword(plainPassword(given))
  account.roles.add(realm.defaultRole)
  for (const name of user.realmRoles ?? []) account.roles.add(realm.roles.get(null, name))
  for (const [clientId, names] of Object.entries(user.clientRoles ?? {}))
    for (const name of names) account.roles.add(realm.roles.get(clientId, name))
  for (const group of realm.defaultGroups) account.groups.add(group)
  for (const path of user.groups ?? []) account.groups.add(groupAt(realm, path))
  return Object.freeze({ ...testUser(realm, account), password: given })
}

export function testUser(realm: RealmModel, account: Account): TestUser {
  const { id, username, email, firstName, lastName, emailVerified, enabled, requiredActions, attributes } = account
  return Object.freeze({
    ...{ id, username, email, firstName, lastName, emailVerified, enabled, requiredActions, attributes },
    groups: [...account.groups].map(({ path }) => path),
    sessions: realm.sessions.of(account).length,
  })
}

function emailFor(username: string): string {
  return username.includes("@") ? username : `${username}@example.test`
}

function groupAt({ groups }: RealmModel, path: string): Group {
  let group: Group | null = groups.byPath(path) ?? null
  if (group !== null) return group
  for (const name of path.split("/").filter(Boolean)) group = groups.add(group, name)
  if (group === null) throw new GateError("config_invalid", `addUser: "${path}" is no path of a group.`)
  return group
}
