import type RealmRepresentation from "@keycloak/keycloak-admin-client/lib/defs/realmRepresentation.js"
import type RequiredActionRepresentation from "@keycloak/keycloak-admin-client/lib/defs/requiredActionProviderRepresentation.js"
import type RoleRepresentation from "@keycloak/keycloak-admin-client/lib/defs/roleRepresentation.js"
import type { UserProfileConfig } from "@keycloak/keycloak-admin-client/lib/defs/userProfileMetadata.js"
import type UserRepresentation from "@keycloak/keycloak-admin-client/lib/defs/userRepresentation.js"
import { type GateError, isGateError } from "../../errors.js"
import { type AdminAnswer, type AdminApi, accountPath, isAccountId } from "../../keycloak/admin-api.js"
import { wasNotDone } from "../../keycloak/network-error.js"
import type { Realm } from "../../keycloak/realm.js"
import { lacksManageUsers, refused } from "../../keycloak/set-up-errors.js"
import type { Transport } from "../../keycloak/transport.js"
import { readKeycloakError } from "../../keycloak/words.js"

/** Keycloak's accounts, as far as registration needs them. */
export interface Accounts {
  /** Creates account and password in one call, which Keycloak does wholly or not at all. */
  readonly createAccount: (account: NewAccount) => Promise<CreateOutcome>
  /** Deletes by id; an account that is gone already is fine. */
  readonly deleteAccount: (id: string) => Promise<void>
  /** Those that it has already are fine. */
  readonly assignRealmRoles: (id: string, names: readonly string[]) => Promise<void>
  /** The account of exactly this username or e-mail. */
  readonly findAccount: (by: AccountName) => Promise<FoundAccount | null>
  readonly readRules: () => Promise<RegistrationRules>
}

/** Lost: the request may have done its work, but its answer never came. */
type CreateOutcome = { readonly id: string } | { readonly lost: GateError }

/** How Keycloak keeps two accounts apart: by username, or by e-mail where that is the username. */
export type AccountName = { readonly username: string } | { readonly email: string }

export interface NewAccount {
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly password: string
  readonly emailVerified: boolean
  readonly groups: readonly string[]
  readonly requiredActions: readonly string[]
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** Milliseconds since 1970; Keycloak keeps it as sent, which makes it the mark of one attempt. */
  readonly createdTimestamp: number
}

export interface FoundAccount {
  readonly id: string
  readonly createdTimestamp: number
  readonly emailVerified: boolean
}

/** What the realm asks of a new account. */
export interface RegistrationRules {
  readonly emailAsUsername: boolean
  readonly verifyEmail: boolean
  /** Steps that the realm asks of every new account, where the service account may read them. */
  readonly requiredActions: readonly string[]
  /** Attributes without which a person can't log in. */
  readonly required: readonly string[]
  /** All attributes that the realm's user profile knows. */
  readonly attributes: readonly string[]
  /** Whether other attributes are kept too; Keycloak drops them silently otherwise. */
  readonly keepsUnknownAttributes: boolean
}

export interface AdminClientParts {
  readonly realm: Realm
  readonly transport: Transport
  readonly api: AdminApi
}

/**
 * Accounts through Keycloak's Admin API; the service account's role `manage-users` covers every call.
 *
 * The official admin client gives the types only: it takes no fetch of ours, so nothing could limit the answers it reads.
 */
export function createAdminClient({ realm, transport, api }: AdminClientParts): Accounts {
  const { ask, read, command, notKeycloak } = api
  // Keycloak names its public address in a Location, which may differ from where this process asks.
  const ownUsers = [`${api.url}/users`, `${realm.issuer.replace(/\/realms\/[^/]*$/, "/admin$&")}/users`]

  /** An account that is gone has none of anything. */
  async function list<Item>(path: string): Promise<readonly Item[]> {
    const items = (await read(path)) ?? []
    if (!Array.isArray(items)) throw notKeycloak()
    return items
  }

  /** A group that does not exist makes Keycloak answer a create with 500 and nothing more (26.7.4). */
  async function assertGroupsExist(paths: readonly string[]): Promise<void> {
    // An outage tells nothing about groups.
    const ofGroup = (path: string) => ask("GET", `/group-by-path/${encodeURIComponent(path)}`).catch(() => null)
    const answers = await Promise.all(paths.map(ofGroup))
    const missing = paths.find((_, index) => answers[index] != null && isGroupAbsent(answers[index]))
    if (missing !== undefined)
      throw refused(`The realm "${realm.name}" has no group "${missing}" to give (option \`registration.groups\`)`)
  }

  /** Sends a create; whatever is no clear answer counts as lost, since it may have done its work. */
  async function create(account: UserRepresentation): Promise<AdminAnswer | { readonly lost: unknown }> {
    // Its failure must not pass for one of the create.
    await api.serviceToken.get()
    transport.assertOpen(api.share)
    return ask("POST", "/users", account).catch((lost: unknown) => ({ lost }))
  }

  return {
    async createAccount({ password, groups, requiredActions, attributes, ...account }) {
      const outcome = await create({
        ...account,
        enabled: true,
        credentials: [{ type: "password", value: password, temporary: false }],
        ...(groups.length > 0 && { groups: [...groups] }),
        ...(requiredActions.length > 0 && { requiredActions: [...requiredActions] }),
        ...(Object.keys(attributes).length > 0 && { attributes }),
      })
      const id = "lost" in outcome ? null : createdId(outcome, ownUsers)
      if (id !== null) return { id }
      const error = "lost" in outcome ? outcome.lost : api.refusal(outcome, lacksManageUsers)
      const mayExist = isGateError(error) && (error.code === "keycloak_unavailable" || error.code === "closed")
      if (!mayExist || wasNotDone(error)) throw error
      if ((error.cause as { status?: unknown } | undefined)?.status === 500) await assertGroupsExist(groups)
      return { lost: error }
    },
    async deleteAccount(id) {
      await command("DELETE", accountPath(id))
    },
    async assignRealmRoles(id, names) {
      const path = `${accountPath(id)}/role-mappings/realm`
      const available = await list<RoleRepresentation>(`${path}/available`)
      const roles = available.filter(({ name = "" }) => names.includes(name))
      // Those that it has already are not available any more.
      const known = roles.length === names.length ? roles : [...roles, ...(await list<RoleRepresentation>(path))]
      const missing = names.find(wanted => !known.some(({ name }) => name === wanted))
      if (missing !== undefined) {
        throw refused(
          `The realm "${realm.name}" has no realm role "${missing}" to give (option \`registration.realmRoles\`)`,
        )
      }
      if (roles.length === 0) return
      const mappings = roles.map(({ id, name }) => ({ id, name }))
      if (!(await command("POST", path, mappings))) throw notKeycloak()
    },
    async findAccount(by) {
      const found = await list<UserRepresentation>(`/users?${new URLSearchParams({ ...by, exact: "true", max: "2" })}`)
      const [account] = found
      if (typeof account?.id !== "string" || found.length !== 1) return null
      if (!isAccountId(account.id)) throw notKeycloak()
      const { id, createdTimestamp = 0, emailVerified = false } = account
      return { id, createdTimestamp, emailVerified }
    },
    async readRules() {
      const answers = await Promise.all([read("/users/profile"), read("")])
      const [profile, settings] = answers as [UserProfileConfig | null, RealmRepresentation | null]
      if (!Array.isArray(profile?.attributes) || settings?.realm === undefined) throw notKeycloak()
      const { attributes } = profile
      // Keycloak tells both only to a service account that has `view-realm` as well.
      const seesRealm = settings.verifyEmail !== undefined
      const actions = seesRealm ? await list<RequiredActionRepresentation>("/authentication/required-actions") : []
      return {
        emailAsUsername: settings.registrationEmailAsUsername === true,
        verifyEmail: settings.verifyEmail === true,
        requiredActions: actions
          .filter(({ enabled, defaultAction }) => enabled === true && defaultAction === true)
          .map(({ alias = "" }) => alias),
        required: attributes.filter(isRequiredOfUsers).map(({ name = "" }) => name),
        attributes: attributes.map(({ name = "" }) => name),
        keepsUnknownAttributes: ["ENABLED", "ADMIN_EDIT"].includes(String(profile.unmanagedAttributePolicy)),
      }
    },
  }
}

function isGroupAbsent({ status, data }: AdminAnswer): boolean {
  return readKeycloakError(status, data).kind === "group_absent"
}

/** Required of the person, whatever scope asks; what is required of administrators Keycloak itself refuses. */
function isRequiredOfUsers({ required }: { required?: { roles?: string[]; scopes?: string[] } }): boolean {
  if (required === undefined || required === null) return false
  const { roles = [], scopes = [] } = required
  return scopes.length === 0 && (roles.length === 0 || roles.includes("user"))
}

/** The id in the `Location` of a 201: one segment under these addresses, without query and without steps in the path. */
function createdId({ status, headers }: AdminAnswer, ownUsers: readonly string[]): string | null {
  const location = /^(https?:\/\/[^/?#\\]+)?(\/[^?#\\]*)$/.exec(headers.get("location") ?? "")
  const segments = segmentsOf(location?.[2] ?? "")
  const id = segments.pop() ?? ""
  if (status !== 201 || !isAccountId(id) || /[/\\]/.test(id)) return null
  const isOwn = ownUsers.some(users => {
    const { origin, pathname } = new URL(users)
    const isHere = location?.[1] === undefined || originOf(location[1]) === origin
    return isHere && JSON.stringify(segmentsOf(pathname)) === JSON.stringify(segments)
  })
  return isOwn ? id : null
}

function originOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null
}

function segmentsOf(path: string): string[] {
  try {
    return path.split("/").map(decodeURIComponent)
  } catch {
    return [] // no path of Keycloak's
  }
}
