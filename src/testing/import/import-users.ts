import { type Account, type Accounts, createAccounts } from "../realm/accounts.js"
import type { Client } from "../realm/clients.js"
import type { Group, Groups } from "../realm/groups.js"
import { type OneTimeCode, oneTimeCode } from "../realm/one-time-code.js"
import { hashOfFile, plainPassword, storedPassword } from "../realm/password.js"
import type { Role, Roles } from "../realm/roles.js"
import { actionNamed } from "./import-required-actions.js"
import { rolesNamed } from "./import-roles.js"
import { type Problems, step } from "./problems.js"
import type { CredentialFile, KnownRealmFile, UserFile } from "./realm-file.js"

interface Surroundings {
  readonly groups: Groups
  readonly defaultGroups: readonly Group[]
  readonly roles: Roles
  readonly defaultRole: Role
  readonly clients: ReadonlyMap<string, Client>
}

export function importUsers(file: KnownRealmFile, surroundings: Surroundings, problems: Problems): Accounts {
  const accounts = createAccounts()
  for (const user of file.users ?? []) importUser(user, accounts, surroundings, problems)
  addServiceAccounts(file, accounts, surroundings)
  return accounts
}

function importUser(
  file: UserFile,
  accounts: Accounts,
  { groups, roles, clients }: Surroundings,
  problems: Problems,
): void {
  const at = `users.${step(file.username ?? "")}`
  if (file.username === undefined) {
    problems.add("users", "expected a username for each")
    return
  }
  const isTaken = accounts.byUsername(file.username) ?? (file.email ? accounts.byEmail(file.email) : undefined)
  if (isTaken !== undefined) problems.add(at, "the file has this username or e-mail twice")
  const account = accounts.add({
    username: file.username,
    ...(file.id !== undefined && { id: file.id }),
    ...(file.createdTimestamp !== undefined && { createdTimestamp: file.createdTimestamp }),
    serviceAccountOf: file.serviceAccountClientId ?? null,
    email: file.email || null,
    firstName: file.firstName ?? null,
    lastName: file.lastName ?? null,
    enabled: file.enabled ?? false,
    emailVerified: file.emailVerified ?? false,
    attributes: file.attributes ?? {},
    requiredActions: (file.requiredActions ?? []).map(actionNamed),
    notBefore: file.notBefore ?? 0,
  })
  const unknown = [file.serviceAccountClientId ?? [], Object.keys(file.clientRoles ?? {})].flat()
  for (const clientId of unknown) if (!clients.has(clientId)) problems.add(at, `there is no client "${clientId}"`)
  for (const role of rolesNamed(file, roles)) account.roles.add(role)
  for (const path of file.groups ?? []) {
    const group = groups.byPath(path)
    if (group === undefined) problems.add(`${at}.groups`, `there is no group "${path}"`)
    else account.groups.add(group)
  }
  giveCredentials(account, file.credentials ?? [])
}

function giveCredentials(account: Account, files: readonly CredentialFile[]): void {
  const codes: OneTimeCode[] = []
  for (const { value, type = "password", ...file } of files) {
    const { secretData, credentialData } = stored(type, file)
    if (value !== undefined && (value !== "" || secretData === undefined))
      account.password = storedPassword(plainPassword(value))
    else if (secretData === undefined || credentialData === undefined) continue
    else if (type === "password") account.password = storedPassword(hashOfFile(secretData, credentialData))
    else if (["otp", "totp", "hotp"].includes(type)) codes.push(oneTimeCode(secretData, credentialData))
  }
  account.oneTimeCodes = codes
}

/** Exports before Keycloak 8 had the parts of a credential beside each other. */
function stored(type: string, file: CredentialFile): Stored {
  if (file.hashedSaltedValue === undefined) return file
  const { hashedSaltedValue: value, salt, hashIterations, algorithm, digits, period, counter } = file
  return type === "password"
    ? { secretData: JSON.stringify({ value, salt }), credentialData: JSON.stringify({ hashIterations, algorithm }) }
    : {
        secretData: JSON.stringify({ value }),
        credentialData: JSON.stringify({ subType: type, digits, period, counter, algorithm }),
      }
}

interface Stored {
  readonly secretData?: string
  readonly credentialData?: string
}

/** Keycloak makes those that the file does not bring, as accounts like any other. */
function addServiceAccounts(
  file: KnownRealmFile,
  accounts: Accounts,
  { clients, roles, defaultRole, defaultGroups }: Surroundings,
): void {
  const resourceServers = new Set(
    (file.clients ?? []).filter(client => client.authorizationServicesEnabled === true).map(({ clientId }) => clientId),
  )
  for (const { clientId, hasServiceAccount } of clients.values()) {
    if (!hasServiceAccount || accounts.serviceAccountOf(clientId) !== undefined) continue
    const account = accounts.add({ username: `service-account-${clientId}`, serviceAccountOf: clientId })
    account.roles.add(defaultRole)
    for (const group of defaultGroups) account.groups.add(group)
    if (resourceServers.has(clientId)) account.roles.add(roles.get(clientId, "uma_protection"))
  }
}
