import ldap from "ldapjs"

/** A directory in this process, of the kind that firms keep their people in. It can be read, and proves passwords. */
export interface LdapDirectory {
  readonly url: string
  readonly peopleDn: string
  /** From then on nobody answers there. */
  readonly close: () => Promise<void>
}

interface Person {
  readonly username: string
  readonly password: string
}

/** Whoever looks people up. */
export const reader = { dn: "cn=reader,dc=example,dc=test", password: "reader" }
const peopleDn = "ou=people,dc=example,dc=test"

export async function startLdapDirectory(people: readonly Person[]): Promise<LdapDirectory> {
  const server = ldap.createServer()
  const entries = people.map(entryOf)

  for (const { dn, password } of [reader, ...entries]) {
    server.bind(dn, (request, response, next) => {
      if (request.credentials !== password) return next(new ldap.InvalidCredentialsError())
      response.end()
      return next()
    })
  }
  server.search(peopleDn, (request, response, next) => {
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
    url: `ldap://127.0.0.1:${server.port}`,
    peopleDn,
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
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
