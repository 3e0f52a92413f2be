import type { Account, Accounts } from "../realm/accounts.js"
import type { Client } from "../realm/clients.js"
import type { Groups } from "../realm/groups.js"
import { type OneTimeCode, oneTimeCode } from "../realm/one-time-code.js"
import { hashedPassword, type Password, plainPassword } from "../realm/password.js"
import type { Roles } from "../realm/roles.js"
import { rolesNamed } from "./import-roles.js"
import type { CredentialFile, UserFile } from "./realm-file.js"

interface Surroundings {
  readonly accounts: Accounts
  readonly groups: Groups
  readonly roles: Roles
  readonly clients: ReadonlyMap<string, Client>
}

export function importUser(
  file: UserFile,
  { accounts, groups, roles, clients }: Surroundings,
  problems: string[],
): Account {
  const at = `user ${file.username}`
  const account = accounts.add({
    username: file.username,
    ...(file.id !== undefined && { id: file.id }),
    ...(file.createdTimestamp !== undefined && { createdTimestamp: file.createdTimestamp }),
    serviceAccountOf: file.serviceAccountClientId ?? null,
    email: file.email ?? null,
    firstName: file.firstName ?? null,
    lastName: file.lastName ?? null,
    enabled: file.enabled ?? false,
    emailVerified: file.emailVerified ?? false,
    attributes: file.attributes ?? {},
    requiredActions: file.requiredActions ?? [],
    notBefore: file.notBefore ?? 0,
  })
  if (file.serviceAccountClientId !== undefined && clients.get(file.serviceAccountClientId) === undefined)
    problems.push(`${at}: there is no client "${file.serviceAccountClientId}" whose service account it could be`)
  for (const role of rolesNamed(file, roles)) account.roles.add(role)
  for (const path of file.groups ?? []) {
    const group = groups.byPath(path)
    if (group === undefined) problems.push(`${at}: there is no group "${path}"`)
    else account.groups.add(group)
  }
  const credentials = (file.credentials ?? []).map(credential => importCredential(at, credential, problems))
  account.password = credentials.findLast(
    credential => credential !== null && "isRight" in credential,
  ) as Password | null
  account.password ??= null
  account.oneTimeCodes = credentials.filter(credential => credential !== null && "accept" in credential)
  return account
}

function importCredential(at: string, credential: CredentialFile, problems: string[]): Password | OneTimeCode | null {
  const { type = "password", value, secretData, credentialData } = credential
  const stored = secretData !== undefined && credentialData !== undefined
  if (type === "password" && value !== undefined) return plainPassword(value)
  const imported =
    stored && type === "password"
      ? hashedPassword(secretData, credentialData)
      : stored && type === "otp"
        ? oneTimeCode(secretData, credentialData)
        : null
  if (imported === null)
    problems.push(`${at}: the test realm can't check this credential of type ${type}; write a \`value\``)
  return imported
}
