import type KeycloakAdminClient from "@keycloak/keycloak-admin-client"
import { isGateError } from "../errors.js"
import type { Accounts } from "../user/accounts.js"
import { type AdminAnswer, type AdminApi, isKeycloaks, isUndecided } from "./admin-api.js"
import type { Realm } from "./realm.js"
import { lacksManageUsers, refused } from "./refused-us.js"
import { type Transport, unreachable, wasNeverSent } from "./transport.js"

export interface AdminClientOptions {
  readonly realm: Realm
  readonly transport: Transport
  readonly api: AdminApi
}

/** What the admin client's own type leaves out: the clients (by UUID) that hold offline sessions. */
interface Consent {
  readonly clientId?: string
  readonly additionalGrants?: readonly { readonly client: string }[]
}

/** Accounts through Keycloak's Admin API; the service account's role `manage-users` covers every call. */
export function createAdminClient({ realm, transport, api }: AdminClientOptions): Accounts {
  const { url, serviceToken, notKeycloak } = api

  /** One call with a time limit of its own. */
  async function call<Result>(work: (client: KeycloakAdminClient) => Promise<Result>): Promise<Result> {
    const outcome = await serviceToken.use(
      token =>
        attempt(token, work).then(
          result => ({ result }),
          (error: unknown) => ({ error }),
        ),
      outcome => "error" in outcome && networkAnswer(outcome.error)?.status === 401,
    )
    if ("error" in outcome) throw translate(outcome.error)
    return outcome.result
  }

  async function attempt<Result>(
    token: string,
    work: (client: KeycloakAdminClient) => Promise<Result>,
  ): Promise<Result> {
    // 7 MB and 100 ms: only an application that registers people pays for it, at its first registration.
    const { default: KeycloakAdminClient } = await import("@keycloak/keycloak-admin-client")
    // The admin client makes questions and changes alike, so none is repeated for it.
    return transport.bounded(url, { endpoint: "admin", share: api.share, isRepeatable: false }, signal => {
      // A client per call, since it takes an abort signal for its whole life only (26.7.4).
      const requestOptions: RequestInit = { redirect: "error", signal }
      const client = new KeycloakAdminClient({ baseUrl: realm.baseUrl, realmName: realm.name, requestOptions })
      // Its own renewal needs a refresh token, which client credentials do not have (keycloak#50845).
      client.registerTokenProvider({ getAccessToken: async () => token })
      return work(client)
    })
  }

  /** A call whose answer has no body, where Keycloak answers it. */
  async function command(work: (client: KeycloakAdminClient) => Promise<unknown>): Promise<void> {
    if ((await call(work)) !== "") throw notKeycloak()
  }

  /** A call whose answer is a list, where Keycloak answers it. */
  async function list<Item>(work: (client: KeycloakAdminClient) => Promise<Item[]>): Promise<Item[]> {
    const items = await call(work)
    if (!Array.isArray(items)) throw notKeycloak()
    return items
  }

  /** A group that does not exist makes Keycloak answer a create with 500 and nothing more (26.7.4). */
  async function assertGroupsExist(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const isThere = await call(client =>
        client.realms.getGroupByPath({ realm: realm.name, path }).then(
          () => true,
          (error: unknown) => {
            goneIsFine(error)
            return false
          },
        ),
      ).catch(() => true) // an outage tells nothing about groups
      if (!isThere)
        throw refused(`The realm "${realm.name}" has no group "${path}" to give (option \`registration.groups\`)`)
    }
  }

  /** Offline sessions outlive Keycloak's logout of a user (26.7.4); which clients have some is told with the consents. */
  async function endOfflineSessions(id: string): Promise<void> {
    const consents = await list<Consent>(client => client.users.listConsents({ id }).catch(goneHasNone))
    for (const { client: clientId } of consents.flatMap(({ additionalGrants }) => additionalGrants ?? [])) {
      const sessions = await list(client => client.users.listOfflineSessions({ id, clientId }))
      for (const { id: session = "" } of sessions) {
        await command(client =>
          client.realms.deleteSession({ realm: realm.name, session, isOffline: true }).catch(goneIsFine),
        )
      }
    }
  }

  function translate(error: unknown): unknown {
    if (isGateError(error)) return error
    const answer = networkAnswer(error)
    return answer === null ? unreachable(url, error) : api.refusal(answer, lacksManageUsers)
  }

  return {
    async createAccount({ password, groups, requiredActions, attributes, ...account }) {
      let isLost = false
      const representation = {
        ...account,
        enabled: true,
        credentials: [{ type: "password", value: password, temporary: false }],
        ...(groups.length > 0 && { groups: [...groups] }),
        ...(requiredActions.length > 0 && { requiredActions: [...requiredActions] }),
        ...(Object.keys(attributes).length > 0 && { attributes }),
      }
      try {
        const { id } = await call(client =>
          client.users.create(representation).catch((error: unknown) => {
            isLost = mayHaveWorked(error)
            throw error
          }),
        )
        return { id }
      } catch (error) {
        if (!isLost || !isGateError(error) || error.code !== "keycloak_unavailable") throw error
        await assertGroupsExist(groups)
        return { lost: error }
      }
    },
    async deleteAccount(id) {
      assertId(id)
      await command(client => client.users.del({ id }).catch(goneIsFine))
    },
    async assignRealmRoles(id, names) {
      assertId(id)
      const available = await list(client => client.users.listAvailableRealmRoleMappings({ id }))
      const roles = names.map(name => available.find(role => role.name === name) ?? name)
      const missing = roles.find(role => typeof role === "string")
      if (missing !== undefined) {
        throw refused(
          `The realm "${realm.name}" has no realm role "${missing}" to give (option \`registration.realmRoles\`)`,
        )
      }
      const mappings = roles.filter(role => typeof role !== "string").map(({ id = "", name = "" }) => ({ id, name }))
      await command(client => client.users.addRealmRoleMappings({ id, roles: mappings }))
    },
    async sendVerificationMail(id) {
      assertId(id)
      await command(client => client.users.sendVerifyEmail({ id }))
    },
    async endSessions(id) {
      assertId(id)
      await command(client => client.users.logout({ id }).catch(goneIsFine))
      await endOfflineSessions(id)
    },
    async hasSessions(id) {
      assertId(id)
      return (await list(client => client.users.listSessions({ id }).catch(goneHasNone))).length > 0
    },
    async findAccount(by) {
      const found = await list(client => client.users.find({ ...by, exact: true, max: 2 }))
      const account = found[0]
      if (typeof account?.id !== "string" || found.length !== 1) return null
      return { id: account.id, createdTimestamp: account.createdTimestamp ?? 0 }
    },
    async readRules() {
      const [profile, settings] = await Promise.all([
        call(client => client.users.getProfile()),
        call(client => client.realms.findOne({ realm: realm.name })),
      ])
      if (!Array.isArray(profile?.attributes) || settings?.realm === undefined) throw notKeycloak()
      const { attributes } = profile
      // Keycloak tells both only to a service account that has `view-realm` as well.
      const seesRealm = settings.verifyEmail !== undefined
      const actions = seesRealm ? await list(client => client.authenticationManagement.getRequiredActions()) : []
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

/** Required of the person, whatever scope asks; what is required of administrators Keycloak itself refuses. */
function isRequiredOfUsers({ required }: { required?: { roles?: string[]; scopes?: string[] } }): boolean {
  if (required === undefined || required === null) return false
  const { roles = [], scopes = [] } = required
  return scopes.length === 0 && (roles.length === 0 || roles.includes("user"))
}

/** Keycloak's answer in an error of the admin client, told by its shape: the client does not name its error class. */
function networkAnswer(error: unknown): AdminAnswer | null {
  const { response, responseData } = (error ?? {}) as { response?: unknown; responseData?: unknown }
  return response instanceof Response
    ? { status: response.status, headers: response.headers, data: responseData }
    : null
}

/** These would address the collection of all users, or the realm itself: a path is normalised before it is sent. */
function assertId(id: string): void {
  if (["", ".", ".."].includes(id)) throw new TypeError("an account's id can't be empty or a step in a path")
}

/** Keycloak's 404 for what is to be ended: it is gone, as if it had been deleted now. */
function goneIsFine(error: unknown): "" {
  const { status, data } = networkAnswer(error) ?? {}
  if (status !== 404 || !isKeycloaks(data)) throw error
  return ""
}

function goneHasNone(error: unknown): [] {
  goneIsFine(error)
  return []
}

/**
 * A create whose failure proves nothing: reset or timed out on the way, answered by something before Keycloak, or by
 * Keycloak's own 500, which a database that failed during the commit causes too.
 */
function mayHaveWorked(error: unknown): boolean {
  const answer = networkAnswer(error)
  if (answer === null) return !wasNeverSent(error)
  if (answer.status === 429) return false
  return answer.status >= 500 || !isKeycloaks(answer.data) || isUndecided(answer.data)
}
