import { randomBytes } from "node:crypto"
import { namesAudience } from "../../setup/audience-mapper.js"
import type { Administrator } from "./administrator.js"
import { InitError } from "./init-error.js"
import { logoutChanges } from "./logout-url.js"
import {
  type Found,
  type FoundClient,
  findClient,
  managementId,
  members,
  rolesOfServiceAccount,
  segment,
  type Wanted,
} from "./look.js"

/** One change of the set-up. */
export interface Change {
  readonly what: string
  readonly from: string
  readonly to: string
  /** Ids are read here, so that a change needs nothing of the one before it but that it was made. */
  readonly apply: (admin: Administrator) => Promise<void>
}

/**
 * What is missing, in the order in which it can be made; nothing for a set-up that works.
 *
 * @throws {InitError} for a client that is another kind of client, and one that tells of its logouts elsewhere
 */
export function plan(wanted: Wanted, found: Found): readonly Change[] {
  if (wanted.issuingClient !== null && found.issuingClient === null) throw issuingClientUnknown(wanted)
  const realm = found.hasRealm ? [] : [createRealm(wanted)]
  const client = found.client === null ? newClient(wanted, found) : completed(wanted, found.client)
  return [...realm, ...client, ...audienceOf(wanted, found.issuingClient), ...logoutsOf(wanted, found)]
}

function createRealm({ realm }: Wanted): Change {
  return {
    what: `realm ${realm}`,
    from: "none",
    to: "created, with brute-force protection and passwords of at least 8 letters",
    apply: admin =>
      admin.write("the list of realms", "POST", "", {
        realm,
        enabled: true,
        bruteForceProtected: true,
        passwordPolicy: "length(8)",
      }),
  }
}

function newClient(wanted: Wanted, { hasRealm, scopesOfNewClients }: Found): readonly Change[] {
  const { clientId, audience } = wanted
  const missing = hasRealm ? neededScopes.filter(name => !scopesOfNewClients.includes(name)) : []
  return [
    {
      what: `client ${clientId}`,
      from: "none",
      to: "created, with a new secret, direct access grants, a service account and its audience mapper",
      apply: admin =>
        admin.write("the clients", "POST", `${baseOf(wanted)}/clients`, {
          clientId,
          enabled: true,
          publicClient: false,
          secret: newSecret(),
          standardFlowEnabled: false,
          directAccessGrantsEnabled: true,
          serviceAccountsEnabled: true,
          protocolMappers: [audienceMapper(audience, clientId, [])],
        }),
    },
    ...missing.map(name => addScope(wanted, clientId, name)),
    giveRole(wanted),
  ]
}

/** `basic` puts `sub` into a token, and `roles` what somebody may do. */
const neededScopes = ["basic", "roles"] as const
const mapperOf = { basic: "oidc-sub-mapper", roles: "oidc-usermodel-client-role-mapper" } as const

function completed(wanted: Wanted, client: FoundClient): readonly Change[] {
  assertFits(client)
  const { clientId } = wanted
  const switches = [
    ["directAccessGrantsEnabled", "direct access grants", client.hasDirectGrants],
    ["serviceAccountsEnabled", "service account", client.hasServiceAccount],
  ] as const
  const has = (kind: string) => client.mappers.some(mapper => mapper.kind === kind)
  const missing = neededScopes.filter(name => !client.scopes.includes(name) && !has(mapperOf[name]))
  return [
    ...switches.filter(([, , isOn]) => !isOn).map(([member, name]) => switchOn(wanted, member, name)),
    ...(client.secret === null ? [giveSecret(wanted)] : []),
    ...missing.map(name => addScope(wanted, clientId, name)),
    ...audienceOf(wanted, client),
    ...(client.managesUsers ? [] : [giveRole(wanted)]),
    // Full scope stays as it is: with this one role in it, the token carries what it has to.
    ...(client.mayCarryRole ? [] : [allowRole(wanted)]),
  ]
}

/** A client of another kind belongs to somebody else's program. */
function assertFits({ clientId, protocol, isPublic, isBearerOnly, authenticator }: FoundClient): void {
  const name = JSON.stringify(clientId)
  const another = "Set KEYCLOAK_CLIENT_ID to another name, and init makes a client of its own."
  if (protocol !== "openid-connect")
    throw new InitError("client-protocol", `The client ${name} speaks ${protocol}.`, another)
  if (isBearerOnly) throw new InitError("client-bearer-only", `The client ${name} is bearer-only.`, another)
  if (isPublic) {
    throw new InitError(
      "client-public",
      `The client ${name} is public. Made confidential, it would refuse everybody who logs in with it today.`,
      `${another} If the tokens of ${name} come to this application, name it with --issuing-client.`,
    )
  }
  if (authenticator !== "client-secret") {
    throw new InitError(
      "client-authenticator",
      `The client ${name} authenticates by ${authenticator}, not by a secret.`,
      another,
    )
  }
}

function issuingClientUnknown({ issuingClient, realm }: Wanted): InitError {
  return new InitError(
    "issuing-client-unknown",
    `The realm ${JSON.stringify(realm)} has no client ${JSON.stringify(issuingClient)}.`,
    "--issuing-client is the Client ID of the client that people log in with.",
  )
}

function switchOn(wanted: Wanted, member: string, name: string): Change {
  return {
    what: `client ${wanted.clientId}: ${name}`,
    from: "off",
    to: "on",
    // Keycloak keeps what is not sent. A whole representation would undo what somebody else changes meanwhile.
    apply: async admin => admin.write("the client", "PUT", await pathOf(admin, wanted), { [member]: true }),
  }
}

function giveSecret(wanted: Wanted): Change {
  return {
    what: `client ${wanted.clientId}: secret`,
    from: "none",
    to: "a new one",
    apply: async admin => admin.write("the client", "PUT", await pathOf(admin, wanted), { secret: newSecret() }),
  }
}

function addScope(wanted: Wanted, clientId: string, name: string): Change {
  return {
    what: `client ${clientId}: default scope ${name}`,
    from: "missing",
    to: "added",
    async apply(admin) {
      const scopes = members(await admin.read("the client scopes", `${baseOf(wanted)}/client-scopes`))
      const id = scopes.find(scope => scope.name === name)?.id
      if (id === undefined) {
        throw new InitError(
          "scope-missing",
          `The realm ${JSON.stringify(wanted.realm)} has no client scope "${name}", which every realm begins with.`,
          "Make it under Client scopes, with the mappers that a new realm's scope has. Then run init again.",
        )
      }
      await admin.write(
        "the client's scopes",
        "PUT",
        `${await pathOf(admin, wanted)}/default-client-scopes/${segment(id)}`,
        {},
      )
    },
  }
}

function audienceOf(wanted: Wanted, client: FoundClient | null): readonly Change[] {
  const { audience, clientId: own } = wanted
  if (client === null || client.mappers.some(({ kind, config }) => namesAudience(kind, config, audience))) return []
  const { clientId, ownMapperNames } = client
  return [
    {
      what: `client ${clientId}: audience mapper`,
      from: "missing",
      to: `its access tokens name ${audience}`,
      apply: async admin =>
        admin.write(
          "the client's mappers",
          "POST",
          `${await pathOf(admin, wanted, clientId)}/protocol-mappers/models`,
          audienceMapper(audience, own, ownMapperNames),
        ),
    },
  ]
}

function logoutsOf(wanted: Wanted, { issuingClient, client }: Found): readonly Change[] {
  const { logoutUrl, issuingClient: issuing, clientId: own } = wanted
  if (logoutUrl === null) return []
  const [clientId, found] = issuing === null ? [own, client] : [issuing, issuingClient]
  const asks = logoutChanges(logoutUrl, clientId, found)
  return asks.map(({ attributes, ...told }) => ({
    ...told,
    // Keycloak keeps the attributes that are not sent.
    apply: async admin => admin.write("the client", "PUT", await pathOf(admin, wanted, clientId), { attributes }),
  }))
}

function audienceMapper(audience: string, clientId: string, taken: readonly string[]): unknown {
  const included = audience === clientId ? "included.client.audience" : "included.custom.audience"
  const name = `audience ${audience}`
  return {
    name: taken.includes(name) ? `${name} ${randomBytes(4).toString("hex")}` : name,
    protocol: "openid-connect",
    protocolMapper: "oidc-audience-mapper",
    config: {
      [included]: audience,
      "access.token.claim": "true",
      "introspection.token.claim": "true",
      "id.token.claim": "false",
    },
  }
}

function giveRole(wanted: Wanted): Change {
  return {
    what: `client ${wanted.clientId}: role of its service account`,
    from: "no manage-users",
    to: "manage-users of realm-management",
    async apply(admin) {
      const { management, role } = await manageUsers(admin, wanted)
      const found = await findClient(admin, baseOf(wanted), wanted.clientId)
      const roles = await rolesOfServiceAccount(admin, baseOf(wanted), segment(found?.id))
      await admin.write("the roles of the service account", "POST", `${roles}/clients/${management}`, [role])
    },
  }
}

function allowRole(wanted: Wanted): Change {
  return {
    what: `client ${wanted.clientId}: scope of its tokens`,
    from: "without manage-users",
    to: "with manage-users, and nothing else new",
    async apply(admin) {
      const { management, role } = await manageUsers(admin, wanted)
      await admin.write(
        "the client's scope",
        "POST",
        `${await pathOf(admin, wanted)}/scope-mappings/clients/${management}`,
        [role],
      )
    },
  }
}

async function manageUsers(admin: Administrator, wanted: Wanted): Promise<{ management: string; role: unknown }> {
  const management = await managementId(admin, baseOf(wanted))
  const role = await admin.read(
    "the roles of realm-management",
    `${baseOf(wanted)}/clients/${management}/roles/manage-users`,
  )
  return { management, role }
}

async function pathOf(admin: Administrator, wanted: Wanted, clientId = wanted.clientId): Promise<string> {
  const found = await findClient(admin, baseOf(wanted), clientId)
  return `${baseOf(wanted)}/clients/${segment(found?.id)}`
}

function baseOf({ realm }: Wanted): string {
  return `/${encodeURIComponent(realm)}`
}

function newSecret(): string {
  return randomBytes(32).toString("base64url")
}
