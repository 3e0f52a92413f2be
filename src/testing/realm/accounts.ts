import { randomUUID } from "node:crypto"
import type { Attributes } from "./attributes.js"
import type { Group } from "./groups.js"
import { lineage } from "./groups.js"
import type { OneTimeCode } from "./one-time-code.js"
import type { StoredPassword } from "./password.js"
import { expand, type Role } from "./roles.js"

export interface Account {
  readonly id: string
  readonly createdTimestamp: number
  /** The client whose service account this is. */
  readonly serviceAccountOf: string | null
  username: string
  email: string | null
  firstName: string | null
  lastName: string | null
  emailVerified: boolean
  enabled: boolean
  attributes: Attributes
  requiredActions: readonly string[]
  password: StoredPassword | null
  oneTimeCodes: readonly OneTimeCode[]
  readonly roles: Set<Role>
  readonly groups: Set<Group>
  /** Seconds since 1970; tokens from before it are stale. */
  notBefore: number
}

type NewAccount = Pick<Account, "username"> & Partial<Account>

/** The realm's accounts, in the order of their usernames. */
export interface Accounts {
  readonly all: () => readonly Account[]
  readonly byId: (id: string) => Account | undefined
  readonly byUsername: (username: string) => Account | undefined
  readonly byEmail: (email: string) => Account | undefined
  readonly serviceAccountOf: (clientId: string) => Account | undefined
  /** Checks nothing: whoever calls it has. */
  readonly add: (account: NewAccount) => Account
  readonly remove: (account: Account) => void
}

export function createAccounts(): Accounts {
  const accounts = new Map<string, Account>()
  const find = (is: (account: Account) => boolean) => [...accounts.values()].find(is)
  return {
    all: () => [...accounts.values()].sort((a, b) => (a.username < b.username ? -1 : 1)),
    byId: id => accounts.get(id),
    byUsername: username => find(account => account.username === username.toLowerCase()),
    byEmail: email => find(account => account.email === email.toLowerCase()),
    serviceAccountOf: clientId => find(account => account.serviceAccountOf === clientId),
    add(account) {
      const added: Account = {
        id: randomUUID(),
        createdTimestamp: Date.now(),
        serviceAccountOf: null,
        firstName: null,
        lastName: null,
        emailVerified: false,
        enabled: true,
        attributes: {},
        requiredActions: [],
        password: null,
        oneTimeCodes: [],
        roles: new Set(),
        groups: new Set(),
        notBefore: 0,
        ...account,
        username: account.username.toLowerCase(),
        email: account.email?.toLowerCase() ?? null,
      }
      accounts.set(added.id, added)
      return added
    },
    remove: account => void accounts.delete(account.id),
  }
}

/** All roles of an account: its own, those of its groups, and what these are made of. */
export function rolesOf(account: Account): ReadonlySet<Role> {
  const ofGroups = [...account.groups].flatMap(lineage).flatMap(group => [...group.roles])
  return expand([...account.roles, ...ofGroups])
}

/** What the person must do before the next login. */
export function requireAction(account: Account, action: string): void {
  if (!account.requiredActions.includes(action)) account.requiredActions = [...account.requiredActions, action]
}
