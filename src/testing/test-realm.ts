import { GateError } from "../errors.js"
import { defaultRealm } from "./default-realm.js"
import { answerCall } from "./endpoints.js"
import { importRealm } from "./import/import-realm.js"
import type { RealmFile } from "./import/realm-file.js"
import { issuerOf, tokenContext } from "./protocol/token-context.js"
import { ownLogin } from "./protocol/token-endpoint.js"
import { accessClaims, signAccessToken } from "./protocol/tokens.js"
import type { Client } from "./realm/clients.js"
import type { RealmModel } from "./realm/realm-model.js"
import type { SentMail } from "./realm/sent-mail.js"
import { startRealmServer } from "./realm-server.js"
import { type RecordedRequest, recordInto } from "./recorded-requests.js"
import { type AddedTestUser, addTestUser, type NewTestUser, type TestUser, testUser } from "./test-users.js"

/** What a test realm is like; without any, one client does everything. */
export interface TestRealmOptions {
  /**
   * The realm file that your Keycloak imports, or only a name (default `"shop"`) for a realm with one client that logs
   * people in, verifies and registers. A list is one realm in several files, as an export with users in files of their
   * own has it, or an export of all realms.
   */
  readonly realm?: RealmFile | readonly RealmFile[] | string | undefined
  /**
   * What to leave out of the realm file, as if it were not there: paths as a refusal names them, such as
   * `"identityProviders"` or `"clients.web.protocolMappers.script"`, or the last part of one for every place.
   */
  readonly ignore?: readonly string[] | undefined
  /** The client in `gateOptions`; default `"shop-api"`, or the file's only client that logs people in. */
  readonly clientId?: string | undefined
  /** The secret of the client that a realm by name gets; default a random one. */
  readonly clientSecret?: string | undefined
  /** Default 0: any free one. */
  readonly port?: number | undefined
}

/** Options for `createGate`, and for `KEYCLOAK_URL` and its like in the environment of another process. */
export interface TestGateOptions {
  readonly serverUrl: string
  /** Where the realm really listens, when its file has a `frontendUrl`. */
  readonly internalUrl?: string
  readonly realm: string
  readonly clientId: string
  /** Absent for a public client. */
  readonly clientSecret?: string
}

/** A realm of Keycloak in this process. */
export interface TestRealm {
  readonly url: string
  readonly name: string
  /** `iss` of its tokens. */
  readonly issuer: string
  readonly gateOptions: TestGateOptions
  /** @throws {GateError} `config_invalid` when the username or e-mail is taken */
  readonly addUser: (user: NewTestUser) => AddedTestUser
  /** All accounts as they are now, but for service accounts. */
  readonly users: () => readonly TestUser[]
  /**
   * An access token of a user (or of `service-account-{clientId}`), with a session of its own, as a login would give.
   *
   * `claims` replace the token's own; one that is `undefined` is left out: `{ exp: 1 }` is an expired token.
   *
   * @throws {GateError} `config_invalid` when there is no such user or client
   */
  readonly issueToken: (
    user: string | { readonly username: string },
    claims?: Readonly<Record<string, unknown>>,
    options?: { readonly clientId?: string; readonly scope?: string },
  ) => Promise<string>
  /**
   * Sends logout tokens of a client to this address when a session ends that it has a part in, as the client's Backchannel
   * logout URL in the console does; null: to nobody. Logouts wait for the answer, at most 5 s.
   *
   * `clientId` is by default that of `gateOptions`. Without `sessionRequired` (default true) a token names only the person.
   *
   * @throws {GateError} `config_invalid` when there is no such client
   */
  readonly sendLogoutTokens: (
    url: string | null,
    options?: { readonly clientId?: string; readonly sessionRequired?: boolean },
  ) => void
  /** Signs with new keys from now on; the old ones stay published unless `removeOld` is true. */
  readonly rotateKeys: (options?: { readonly removeOld?: boolean }) => Promise<void>
  /** Refuses connections until `comeBack()`, at the same address. */
  readonly goDown: () => Promise<void>
  /** Answers again after `goDown`. */
  readonly comeBack: () => Promise<void>
  /** Holds every later answer back by so many milliseconds; 0 ends it. */
  readonly slow: (milliseconds: number) => void
  /** What was asked of this realm, oldest first, the last 10,000. */
  readonly requests: readonly RecordedRequest[]
  /** Empties `requests`. */
  readonly forgetRequests: () => void
  /** Mails that Keycloak would have sent; a realm whose file has no `smtpServer` refuses to send, as Keycloak does. */
  readonly mails: readonly SentMail[]
  /** Ends the server and closes its connections. */
  readonly stop: () => Promise<void>
}

/**
 * Starts a server on loopback that answers as Keycloak 26.7 does, for the tests of an application: discovery, keys,
 * tokens, userinfo, introspection, logout, revocation, and the Admin calls about accounts.
 *
 * What it does not know it answers with 501 and a sentence; nothing outlives `stop()`. It is not for production.
 *
 * @throws {GateError} `config_invalid` when `NODE_ENV` is `production`, or when the realm file holds something that
 * would change an answer and that this server does not know
 * @example
 * const realm = await startTestRealm()
 * const gate = createGate(realm.gateOptions)
 */
export async function startTestRealm(options: TestRealmOptions = {}): Promise<TestRealm> {
  if (process.env.NODE_ENV === "production")
    throw new GateError("config_invalid", "startTestRealm is for tests: it keeps nothing and protects nothing.")
  const { realm: file = "shop", clientId = "shop-api", clientSecret, ignore = [], port = 0 } = options
  const realm = importRealm(
    typeof file === "string" ? defaultRealm({ realm: file, clientId, clientSecret }) : file,
    ignore,
  )
  const client = clientOf(realm, typeof file === "string" ? clientId : options.clientId)
  const requests: RecordedRequest[] = []
  const server = await startRealmServer(
    port,
    call => answerCall(realm, call),
    (call, status) => recordInto(requests, call, status),
  )
  const issuer = issuerOf(server.url, realm)

  const gateOptions = Object.freeze({
    serverUrl: realm.settings.frontendUrl ?? server.url,
    ...(realm.settings.frontendUrl !== null && { internalUrl: server.url }),
    realm: realm.name,
    clientId: client.clientId,
    ...(client.secret !== null && { clientSecret: client.secret }),
  })

  return Object.freeze({
    url: server.url,
    name: realm.name,
    issuer,
    gateOptions,
    addUser: (user: NewTestUser) => addTestUser(realm, user),
    users: () =>
      realm.accounts
        .all()
        .filter(account => account.serviceAccountOf === null)
        .map(account => testUser(realm, account)),
    issueToken: (
      user: string | { readonly username: string },
      claims: Readonly<Record<string, unknown>> = {},
      { clientId: id = client.clientId, scope = "openid" }: { clientId?: string; scope?: string } = {},
    ) =>
      issueToken(
        realm,
        issuer,
        { username: typeof user === "string" ? user : user.username, clientId: id, scope },
        claims,
      ),
    sendLogoutTokens(
      logoutUrl: string | null,
      { clientId: id = client.clientId, sessionRequired = true }: { clientId?: string; sessionRequired?: boolean } = {},
    ) {
      const { clientId } = clientOf(realm, id)
      realm.logoutUrls.set(clientId, { url: logoutUrl ?? "", sessionRequired })
    },
    rotateKeys: ({ removeOld = false }: { removeOld?: boolean } = {}) => realm.keys.rotate(removeOld),
    goDown: server.goDown,
    comeBack: server.comeBack,
    slow: server.slow,
    requests,
    forgetRequests: () => void requests.splice(0),
    mails: realm.mails,
    stop: server.stop,
  })
}

function clientOf(realm: RealmModel, clientId: string | undefined): Client {
  const found = clientId === undefined ? onlyClientForLogins(realm) : realm.clients.get(clientId)
  if (found !== undefined) return found
  throw new GateError("config_invalid", `startTestRealm: the realm has no client "${clientId}".`)
}

function onlyClientForLogins(realm: RealmModel): Client {
  const own = [...realm.clients.values()].filter(({ clientId }) => clientId !== "admin-cli")
  const forLogins = own.filter(({ hasDirectAccessGrants, isEnabled }) => hasDirectAccessGrants && isEnabled)
  const [client, ...others] = forLogins
  if (client !== undefined && others.length === 0) return client
  const names = forLogins.map(({ clientId }) => clientId).join(", ") || "none"
  throw new GateError(
    "config_invalid",
    `startTestRealm: say with \`clientId\` which client your application is; those with direct access grants are: ${names}.`,
  )
}

async function issueToken(
  realm: RealmModel,
  issuer: string,
  asked: { readonly username: string; readonly clientId: string; readonly scope: string },
  claims: Readonly<Record<string, unknown>>,
): Promise<string> {
  const account = realm.accounts.byUsername(asked.username)
  if (account === undefined)
    throw new GateError("config_invalid", "issueToken: the realm has no user with this username; add one with addUser.")
  const clientId = account.serviceAccountOf ?? asked.clientId
  const client = realm.clients.get(clientId)
  if (client === undefined) throw new GateError("config_invalid", `issueToken: the realm has no client "${clientId}".`)
  const isService = account.serviceAccountOf !== null
  const login = isService
    ? ownLogin(realm, client, account)
    : { account, session: realm.sessions.start(account, clientId, false), notes: {} }
  const context = tokenContext({ realm, issuer, client, ...login }, isService ? null : asked.scope)
  const own = accessClaims(context, isService ? "cc" : "ro")
  if (Object.keys(claims).length > 0) realm.claimsGiven.set(String(claims.jti ?? own.jti), claims)
  return signAccessToken(context, { ...own, ...claims })
}
