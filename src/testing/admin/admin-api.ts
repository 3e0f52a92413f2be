import { type Answer, type Call, empty, json, NotKnown } from "../answer.js"
import { tellLogout } from "../protocol/backchannel-logout.js"
import { readToken } from "../protocol/presented-token.js"
import { issuerOf } from "../protocol/token-context.js"
import type { Account } from "../realm/accounts.js"
import type { Group } from "../realm/groups.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { Role } from "../realm/roles.js"
import { type MailKind, sendMail } from "./account-mail.js"
import { findUsers, pageOf } from "./find-users.js"
import {
  credential,
  groupAsked,
  groupListed,
  groupOfUser,
  role as representation,
  session,
  shownProfile,
  user,
  userAsked,
  userListed,
} from "./representations.js"
import { type Rights, rightsOf } from "./rights.js"
import { changeRealmRoles, listRealmRoles } from "./role-mappings.js"
import { createUser, resetPassword, unlock, updateUser } from "./write-account.js"

interface Request {
  readonly realm: RealmModel
  readonly call: Call
  readonly rights: Rights
}

/** `/admin/realms/{realm}/…`: the calls about accounts; `path` is what follows the realm's name. */
export async function adminApi(realm: RealmModel, call: Call, path: string): Promise<Answer> {
  const issuer = issuerOf(call.origin, realm)
  const token = /^Bearer +(\S+)$/i.exec(call.headers.authorization ?? "")?.[1]
  const presented = token === undefined ? "" : await readToken(realm, issuer, token, ["Bearer", "bearer"])
  if (typeof presented === "string") return json(401, { error: "HTTP 401 Unauthorized" })
  const answer = await route({ realm, call, rights: rightsOf(realm, issuer, presented) }, path.replace(/\/$/, ""))
  const isSuccess = answer.status === 200
  return isSuccess ? { ...answer, headers: { ...answer.headers, ...ofSuccess } } : answer
}

const ofSuccess = { "content-type": "application/json;charset=UTF-8", "cache-control": "no-cache" }
const forbidden = () => json(403, { error: "HTTP 403 Forbidden" })
const userNotFound = () => json(404, { error: "User not found" })

type Right = "hasAny" | "queriesUsers" | "viewsUsers" | "managesUsers" | "viewsRealm" | "viewsEvents" | "viewsActions"
type Handler = (request: Request, ...parts: string[]) => Answer | Promise<Answer>
type Route = readonly [methods: string, path: RegExp, right: Right, handle: Handler]

/** A handler of one account; an unknown id is told before anything else but a missing right. */
function ofUser(handle: (request: Request, account: Account, ...parts: string[]) => Answer | Promise<Answer>): Handler {
  return (request, id = "", ...parts) => {
    const account = request.realm.accounts.byId(id)
    return account === undefined ? userNotFound() : handle(request, account, ...parts)
  }
}

function ofGroup(error: string, handle: (request: Request, group: Group) => Answer): Handler {
  return (request, id = "") => {
    const group = request.realm.groups.byId(id)
    return group === undefined ? json(404, { error }) : handle(request, group)
  }
}

const routes: readonly Route[] = [
  ["GET", /^$/, "hasAny", realmSettings],
  ["GET", /^\/users$/, "queriesUsers", listUsers],
  ["POST", /^\/users$/, "managesUsers", ({ realm, call }) => createUser(realm, call)],
  ["GET", /^\/users\/count$/, "queriesUsers", countUsers],
  ["GET", /^\/users\/profile$/, "queriesUsers", ({ realm }) => json(200, realm.profile)],
  ["GET", /^\/users\/profile\/metadata$/, "queriesUsers", ({ realm }) => json(200, shownProfile(realm))],
  [
    "GET",
    /^\/users\/([^/]+)$/,
    "viewsUsers",
    ofUser(({ realm, rights, call }, account) => {
      if (call.query.get("userProfileMetadata") === "true") throw new NotKnown("does not answer userProfileMetadata.")
      return json(200, userAsked(realm, account, rights))
    }),
  ],
  ["PUT", /^\/users\/([^/]+)$/, "managesUsers", ofUser(({ realm, call }, account) => updateUser(realm, account, call))],
  ["DELETE", /^\/users\/([^/]+)$/, "managesUsers", ofUser(deleteUser)],
  [
    "PUT",
    /^\/users\/([^/]+)\/reset-password$/,
    "managesUsers",
    ofUser(({ realm, call }, account) => resetPassword(realm, account, call)),
  ],
  [
    "GET",
    /^\/users\/([^/]+)\/credentials$/,
    "viewsUsers",
    ofUser((_, { password }) => json(200, password === null ? [] : [credential(password)])),
  ],
  ["POST", /^\/users\/([^/]+)\/logout$/, "managesUsers", ofUser(logOut)],
  ["GET", /^\/users\/([^/]+)\/sessions$/, "viewsUsers", ofUser(listSessions)],
  [
    "PUT",
    /^\/users\/([^/]+)\/(execute-actions-email|send-verify-email|reset-password-email)$/,
    "managesUsers",
    ofUser(({ realm, call }, account, kind) => sendMail(realm, account, kind as MailKind, call)),
  ],
  [
    "GET",
    /^\/users\/([^/]+)\/role-mappings\/realm(?:\/(available|composite))?$/,
    "viewsUsers",
    ofUser(({ realm }, account, which) => listRealmRoles(realm, account, which)),
  ],
  [
    "POST DELETE",
    /^\/users\/([^/]+)\/role-mappings\/realm$/,
    "managesUsers",
    ofUser(({ realm, call, rights }, account) => changeRealmRoles(realm, account, call, rights)),
  ],
  [
    "GET",
    /^\/users\/([^/]+)\/groups$/,
    "viewsUsers",
    ofUser((_, { groups }) => json(200, [...groups].map(groupOfUser))),
  ],
  ["PUT DELETE", /^\/users\/([^/]+)\/groups\/([^/]+)$/, "managesUsers", ofUser(changeGroup)],
  [
    "GET",
    /^\/attack-detection\/brute-force\/users\/([^/]+)$/,
    "viewsUsers",
    ofUser(({ realm }, account) => json(200, realm.bruteForce.statusOf(account))),
  ],
  ["DELETE", /^\/attack-detection\/brute-force\/users\/([^/]+)$/, "managesUsers", ofUser(clearFailures)],
  ["GET", /^\/groups$/, "viewsUsers", listGroups],
  ["GET", /^\/groups\/count$/, "viewsUsers", ({ realm }) => json(200, { count: flat(realm.groups.top).length })],
  [
    "GET",
    /^\/groups\/([^/]+)$/,
    "viewsUsers",
    ofGroup("Could not find group by id", ({ rights }, group) => json(200, groupAsked(group, rights.managesUsers))),
  ],
  ["GET", /^\/groups\/([^/]+)\/members$/, "viewsUsers", ofGroup("Could not find group by id", listMembers)],
  ["GET", /^\/group-by-path\/(.+)$/, "viewsUsers", groupByPath],
  ["GET", /^\/users\/([^/]+)\/consents$/, "viewsUsers", ofUser(listConsents)],
  ["GET", /^\/users\/([^/]+)\/offline-sessions\/([^/]+)$/, "viewsUsers", ofUser(listOfflineSessions)],
  ["DELETE", /^\/sessions\/([^/]+)$/, "managesUsers", deleteSession],
  ["GET", /^\/roles$/, "viewsRealm", listRoles],
  ["GET", /^\/roles\/([^/]+)$/, "viewsRealm", showRole],
  ["GET", /^\/authentication\/required-actions$/, "viewsActions", listRequiredActions],
  ["GET", /^\/events\/config$/, "viewsEvents", showEventSettings],
  ["GET", /^\/(events|admin-events)$/, "viewsEvents", listEvents],
]

function route(request: Request, path: string): Answer | Promise<Answer> {
  const { method } = request.call
  for (const [methods, pattern, right, handle] of routes) {
    const match = pattern.exec(path)
    if (match === null || !methods.split(" ").includes(method)) continue
    return request.rights[right] ? handle(request, ...match.slice(1).map(decodeURIComponent)) : forbidden()
  }
  if (method === "PATCH") return json(405, { error: "HTTP 405 Method Not Allowed" })
  throw new NotKnown(`does not know the Admin call ${method} ${path || "/"}.`)
}

/** Whoever may not see the whole realm is told a little of it. */
function realmSettings({ realm, rights }: Request): Answer {
  const { emailAsUsername, bruteForce, organizations } = realm.settings
  if (rights.viewsRealm)
    return json(200, { ...realm.representation, defaultRole: representation(realm.defaultRole, realm) })
  const { displayName } = realm.representation
  return json(200, {
    realm: realm.name,
    ...(displayName !== undefined && { displayName }),
    registrationEmailAsUsername: emailAsUsername,
    bruteForceProtected: bruteForce.isOn,
    supportedLocales: [],
    organizationsEnabled: organizations,
  })
}

function listRoles({ realm, call }: Request): Answer {
  const search = call.query.get("search")?.toLowerCase() ?? ""
  const found = realm.roles.realmRoles().filter(({ name }) => name.toLowerCase().includes(search))
  const page = pageOf(found, call.query, -1)
  if ("status" in page) return page
  const isBrief = call.query.get("briefRepresentation") !== "false"
  return json(
    200,
    page.map(one => (isBrief ? representation(one, realm) : wholeRole(one, realm))),
  )
}

function showRole({ realm }: Request, name = ""): Answer {
  const found = realm.roles.find(null, name)
  return found === undefined ? json(404, { error: "Could not find role" }) : json(200, wholeRole(found, realm))
}

function wholeRole(role: Role, realm: RealmModel): object {
  return { ...representation(role, realm), attributes: role.attributes }
}

function listRequiredActions({ realm }: Request): Answer {
  const sorted = [...realm.requiredActions.values()].sort((a, b) => a.priority - b.priority)
  return json(
    200,
    sorted.map(({ isEnabled, isDefault, ...action }) => ({ ...action, enabled: isEnabled, defaultAction: isDefault })),
  )
}

function showEventSettings({ realm }: Request): Answer {
  const { recordsEvents, recordsAdminEvents } = realm.settings
  return json(200, {
    eventsEnabled: recordsEvents,
    eventsListeners: ["jboss-logging"],
    enabledEventTypes: [],
    adminEventsEnabled: recordsAdminEvents,
    adminEventsDetailsEnabled: false,
  })
}

/** Nothing is recorded here, as in a realm that keeps no events. */
function listEvents({ realm }: Request, kind = ""): Answer {
  const { recordsEvents, recordsAdminEvents } = realm.settings
  if (kind === "events" ? recordsEvents : recordsAdminEvents) throw new NotKnown("records no events.")
  return json(200, [])
}

function listUsers({ realm, call, rights }: Request): Answer {
  const found = findUsers(realm, call.query)
  if ("status" in found) return found
  const page = pageOf(rights.viewsUsers ? found : [], call.query, 100)
  if ("status" in page) return page
  const isBrief = call.query.get("briefRepresentation") === "true"
  return json(
    200,
    page.map(account => userListed(realm, account, isBrief, rights.managesUsers)),
  )
}

function countUsers({ realm, call, rights }: Request): Answer {
  const found = findUsers(realm, call.query)
  return "status" in found ? found : json(200, rights.viewsUsers ? found.length : 0)
}

function deleteUser({ realm }: Request, account: Account): Answer {
  realm.sessions.endAll(account)
  realm.accounts.remove(account)
  return empty(204)
}

/** Offline sessions outlive it. */
async function logOut({ realm, call }: Request, account: Account): Promise<Answer> {
  for (const one of realm.sessions.of(account)) {
    if (one.isOffline) continue
    await tellLogout(realm, issuerOf(call.origin, realm), one)
    realm.sessions.end(one)
  }
  account.notBefore = Math.floor(Date.now() / 1000)
  return empty(204)
}

function listSessions({ realm }: Request, account: Account): Answer {
  const sessions = realm.sessions.of(account).filter(({ isOffline }) => !isOffline)
  return json(
    200,
    sessions.map(one => session(one, realm)),
  )
}

/** Which clients have offline sessions of a user; nobody is asked for consent here. */
function listConsents({ realm }: Request, account: Account): Answer {
  const offline = realm.sessions.of(account).filter(({ isOffline }) => isOffline)
  const clientIds = new Set(offline.flatMap(({ clients }) => [...clients.keys()]))
  const consents = [...clientIds].map(clientId => ({
    additionalGrants: [{ client: realm.clients.get(clientId)?.id, key: "Offline Token" }],
    grantedClientScopes: [],
    clientId,
  }))
  return json(200, consents)
}

function listOfflineSessions({ realm }: Request, account: Account, id = ""): Answer {
  const client = [...realm.clients.values()].find(one => one.id === id)
  if (client === undefined) return json(404, { error: "Client not found" })
  const sessions = realm.sessions.of(account).filter(one => one.isOffline && one.clients.has(client.clientId))
  return json(
    200,
    sessions.map(one => session(one, realm)),
  )
}

async function deleteSession({ realm, call }: Request, id = ""): Promise<Answer> {
  const found = realm.sessions.byId(id)
  if (found === undefined || found.isOffline !== (call.query.get("isOffline") === "true"))
    return json(404, { error: "Sesssion not found" })
  await tellLogout(realm, issuerOf(call.origin, realm), found)
  realm.sessions.end(found)
  return empty(204)
}

function groupByPath({ realm, rights }: Request, path = ""): Answer {
  const group = realm.groups.byPath(path)
  if (group === undefined) return json(404, { error: "Group path does not exist" })
  return json(200, groupAsked(group, rights.managesUsers))
}

function changeGroup({ realm, call }: Request, account: Account, id = ""): Answer {
  const group = realm.groups.byId(id)
  if (group === undefined) return json(404, { error: "Group not found" })
  if (call.method === "PUT") account.groups.add(group)
  else account.groups.delete(group)
  return empty(204)
}

function clearFailures({ realm }: Request, account: Account): Answer {
  if (account.attributes.disabledReason !== undefined) {
    unlock(realm, account)
    account.enabled = true
  }
  realm.bruteForce.forget(account)
  return empty(204)
}

function listGroups({ realm, call, rights }: Request): Answer {
  const search = call.query.get("search")?.toLowerCase()
  if (call.query.has("q") || call.query.get("exact") === "true")
    throw new NotKnown("searches groups by a part of their name only.")
  if (search !== undefined && flat(realm.groups.top).some(({ parent }) => parent !== null))
    throw new NotKnown("searches no groups that are in other groups.")
  const found = realm.groups.top.filter(({ name }) => search === undefined || name.toLowerCase().includes(search))
  const page = pageOf(found, call.query, -1)
  return "status" in page
    ? page
    : json(
        200,
        page.map(group => groupListed(group, rights.managesUsers)),
      )
}

function listMembers({ realm, call }: Request, group: Group): Answer {
  const members = realm.accounts.all().filter(({ groups }) => groups.has(group))
  const page = pageOf(members, call.query, 100)
  return "status" in page
    ? page
    : json(
        200,
        page.map(account => user(realm, account)),
      )
}

function flat(groups: readonly Group[]): readonly Group[] {
  return groups.flatMap(group => [group, ...flat(group.children)])
}
