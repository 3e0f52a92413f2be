import type { Account } from "../realm/accounts.js"
import type { Attributes } from "../realm/attributes.js"
import type { Group } from "../realm/groups.js"
import type { StoredPassword } from "../realm/password.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { Role } from "../realm/roles.js"
import type { Session } from "../realm/sessions.js"
import { attributesForAdmin, isSeenByAdmin } from "../realm/user-profile.js"
import type { Rights } from "./rights.js"

type Representation = Readonly<Record<string, unknown>>

/** An account in a list; the brief form leaves attributes and required actions out. */
export function userListed(realm: RealmModel, account: Account, isBrief: boolean, canManage: boolean): Representation {
  return { ...(isBrief ? briefUser(realm, account) : user(realm, account)), access: { manage: canManage } }
}

/** An account that was asked for by its id. */
export function userAsked(realm: RealmModel, account: Account, rights: Rights): Representation {
  const { managesUsers: canManage, impersonates } = rights
  const access = {
    manageGroupMembership: canManage,
    resetPassword: canManage,
    view: true,
    mapRoles: canManage,
    impersonate: impersonates,
    manage: canManage,
  }
  return { ...user(realm, account), access }
}

export function user(realm: RealmModel, account: Account): Representation {
  const attributes = visibleAttributes(realm, account)
  return {
    ...briefUser(realm, account),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    totp: account.oneTimeCodes.length > 0,
    disableableCredentialTypes: [],
    requiredActions: account.requiredActions,
    notBefore: account.notBefore,
  }
}

function briefUser(
  { profile }: RealmModel,
  { id, username, firstName, lastName, email, ...account }: Account,
): Representation {
  return {
    id,
    username,
    ...(firstName !== null && isSeenByAdmin(profile, "firstName") && { firstName }),
    ...(lastName !== null && isSeenByAdmin(profile, "lastName") && { lastName }),
    ...(email !== null && { email }),
    emailVerified: account.emailVerified,
    enabled: account.enabled,
    createdTimestamp: account.createdTimestamp,
  }
}

/** What an import has put beside the user profile is told only where the realm shows it to administrators. */
function visibleAttributes({ profile, settings }: RealmModel, { attributes }: Account): Attributes {
  const byKeycloak = ["disabledReason", ...(settings.hasLanguages ? ["locale"] : [])]
  const told = Object.entries(attributes).filter(
    ([name, values]) => values.length > 0 && (isSeenByAdmin(profile, name) || byKeycloak.includes(name)),
  )
  return Object.fromEntries(told)
}

/** A password as a credential, without its hash. */
export function credential({ id, userLabel, createdDate, credentialData }: StoredPassword): Representation {
  return { id, type: "password", ...(userLabel !== null && { userLabel }), createdDate, credentialData }
}

export function shownProfile({ profile, settings }: RealmModel): Representation {
  return { attributes: attributesForAdmin(profile, settings.hasLanguages), groups: profile.groups ?? [] }
}

export function role({ id, name, description, composites, clientId }: Role, realm: RealmModel): Representation {
  return {
    id,
    name,
    ...(description !== null && { description }),
    composite: composites.size > 0,
    clientRole: clientId !== null,
    containerId: clientId === null ? realm.id : realm.clients.get(clientId)?.id,
  }
}

export function groupListed(group: Group, canManage: boolean): Representation {
  return { ...groupHead(group), subGroupCount: group.children.length, access: groupAccess(canManage) }
}

export function groupAsked(group: Group, canManage: boolean): Representation {
  const roles = [...group.roles]
  const namesFor = (wanted: string | null) =>
    roles.filter(({ clientId }) => clientId === wanted).map(({ name }) => name)
  const clients = new Set(roles.map(({ clientId }) => clientId).filter(clientId => clientId !== null))
  return {
    ...groupListed(group, canManage),
    attributes: group.attributes,
    realmRoles: namesFor(null),
    clientRoles: Object.fromEntries([...clients].map(clientId => [clientId, namesFor(clientId)])),
  }
}

export function groupOfUser(group: Group): Representation {
  return groupHead(group)
}

function groupHead({ id, name, path, parent }: Group): Representation {
  return { id, name, path, ...(parent !== null && { parentId: parent.id }), subGroups: [] }
}

function groupAccess(canManage: boolean): Representation {
  return { view: true, viewMembers: true, manageMembers: canManage, manage: canManage, manageMembership: canManage }
}

export function session(
  { id, account, startedAt, lastRefreshAt, clients }: Session,
  realm: RealmModel,
): Representation {
  return {
    id,
    username: account.username,
    userId: account.id,
    ipAddress: "127.0.0.1",
    start: startedAt * 1000,
    lastAccess: lastRefreshAt * 1000,
    rememberMe: false,
    clients: Object.fromEntries([...clients.keys()].map(clientId => [realm.clients.get(clientId)?.id, clientId])),
    transientUser: false,
  }
}
