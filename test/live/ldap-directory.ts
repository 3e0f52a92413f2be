import ldap from "ldapjs"
import { adminFetch } from "./realms.ts"

/** A directory in this process, of the kind that firms keep their people in. It can be read, and proves passwords. */
export interface LdapDirectory {
  readonly url: string
  /** From then on nobody answers there. */
  readonly close: () => Promise<void>
}

interface Person {
  readonly username: string
  readonly password: string
}

/** What is used of ldapjs, whose types leave it open. */
interface Request {
  readonly credentials: string
  readonly dn: { readonly equals: (dn: unknown) => boolean }
  readonly scope: string
  readonly filter: { readonly matches: (attributes: object) => boolean }
}
interface Response {
  attributes: readonly string[]
  readonly send: (entry: object) => void
  readonly end: () => void
}
type Next = (error?: object) => void

/** Whoever looks people up. */
const reader = { dn: "cn=reader,dc=example,dc=test", password: "reader" }
const peopleDn = "ou=people,dc=example,dc=test"

export async function startLdapDirectory(people: readonly Person[]): Promise<LdapDirectory> {
  const server = ldap.createServer()
  const entries = people.map(entryOf)

  for (const { dn, password } of [reader, ...entries]) {
    server.bind(dn, (request: Request, response: Response, next: Next) => {
      if (request.credentials !== password) return next(new ldap.InvalidCredentialsError())
      response.end()
      return next()
    })
  }
  server.search(peopleDn, (request: Request, response: Response, next: Next) => {
    // ldapjs 3.0.7 compares asked names with names in lower case, and would leave out all that have capitals.
    response.attributes = ["*"]
    for (const { dn, attributes } of entries) {
      const isAsked = request.dn.equals(ldap.parseDN(dn)) || request.scope !== "base"
      if (isAsked && request.filter.matches(attributes)) response.send({ dn, attributes })
    }
    response.end()
    return next()
  })
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `ldap://127.0.0.1:${(server as unknown as { readonly port: number }).port}`,
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
}

/** How Keycloak treats the people of a directory. `isImported`: it keeps a copy of whoever came by. */
export interface Federation {
  readonly editMode: "READ_ONLY" | "UNSYNCED"
  readonly isImported: boolean
}

/** Gives a realm the people of a directory, beside its own. */
export async function federate(realm: string, { url }: LdapDirectory, federation: Federation): Promise<void> {
  const { id } = (await (await adminFetch("GET", `/realms/${realm}`)).json()) as { id: string }
  const settings = {
    editMode: federation.editMode,
    importEnabled: String(federation.isImported),
    vendor: "other",
    connectionUrl: url,
    authType: "simple",
    bindDn: reader.dn,
    bindCredential: reader.password,
    usersDn: peopleDn,
    usernameLDAPAttribute: "uid",
    rdnLDAPAttribute: "uid",
    uuidLDAPAttribute: "entryUUID",
    userObjectClasses: "inetOrgPerson, organizationalPerson",
    connectionTimeout: "2000",
    readTimeout: "2000",
  }
  const answer = await adminFetch("POST", `/realms/${realm}/components`, {
    name: `directory at ${url}`,
    providerId: "ldap",
    providerType: "org.keycloak.storage.UserStorageProvider",
    parentId: id,
    config: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, [value]])),
  })
  if (answer.status !== 201) throw new Error(`the directory: ${answer.status} ${await answer.text()}`)
}

function entryOf({ username, password }: Person) {
  const dn = `uid=${username},${peopleDn}`
  const attributes = {
    objectclass: ["inetOrgPerson", "organizationalPerson", "person", "top"],
    uid: [username],
    cn: [username],
    sn: ["Directory"],
    mail: [`${username}@example.test`],
    entryUUID: [`id-of-${username}`],
    createTimestamp: ["20260101000000Z"],
    modifyTimestamp: ["20260101000000Z"],
  }
  return { dn, password, attributes }
}
