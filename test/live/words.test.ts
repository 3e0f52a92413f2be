import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  isPasswordHistory,
  type KeycloakError,
  readChallenge,
  readKeycloakError,
  type Saying,
  sayings,
} from "../../src/keycloak/words.js"
import { keycloakVersion } from "./keycloak/distribution.ts"
import { federate, type LdapDirectory, startLdapDirectory } from "./ldap-directory.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "words"
const password = "Passw0rd!"
const nobody = "00000000-0000-4000-8000-000000000000"
// Should Keycloak ever translate what it says to programs, a realm like this would show it.
const german = { internationalizationEnabled: true, supportedLocales: ["de"], defaultLocale: "de" }

interface Answer {
  readonly status: number
  readonly challenge: string
  readonly body: unknown
}

let shop: TestClient
let directory: LdapDirectory
let serviceToken = ""
let count = 0

beforeAll(async () => {
  shop = await changedShop(realm, realm => {
    Object.assign(realm, german, {
      passwordPolicy: "length(8) and passwordHistory(3) and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
    })
    const like = (clientId: string, more: Record<string, unknown> = {}) => ({
      clientId,
      secret: "secret",
      directAccessGrantsEnabled: true,
      serviceAccountsEnabled: false,
      ...more,
    })
    realm.clients.push(
      like("no-passwords", { directAccessGrantsEnabled: false }),
      like("public", { publicClient: true }),
      like("no-roles", { serviceAccountsEnabled: true }),
      like("bearer-only", { bearerOnly: true }),
      like("signing", { clientAuthenticatorType: "client-jwt" }),
      like("certified", { clientAuthenticatorType: "client-x509" }),
      like("consenting", { consentRequired: true }),
      like("bound", {
        serviceAccountsEnabled: true,
        attributes: { "tls.client.certificate.bound.access.tokens": "true" },
      }),
      like("dpop", { attributes: { "dpop.bound.access.tokens": "true" } }),
      like("light", { attributes: { "client.use.lightweight.access.token.enabled": "true" } }),
    )
  })
  await changedShop("words-off", realm => Object.assign(realm, { enabled: false }))
  await changedShop("words-https", realm => Object.assign(realm, { sslRequired: "all" }))
  await changedShop("words-directory", () => undefined)
  directory = await startLdapDirectory([{ username: "lena", password }])
  await federate("words-directory", directory, { editMode: "READ_ONLY", isImported: false })
  serviceToken = tokenIn(await grant({ grant_type: "client_credentials" }))
})
afterAll(async () => {
  await directory.close()
  for (const name of [realm, "words-off", "words-https", "words-directory"])
    await adminFetch("DELETE", `/realms/${name}`)
})

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  let body: unknown = text
  try {
    body = JSON.parse(text)
  } catch {
    // Text, or nothing.
  }
  return { status: response.status, challenge: response.headers.get("www-authenticate") ?? "", body }
}

const url = (path: string) => `${inject("keycloak").url}${path}`
const basic = (client: string, secret: string) => `Basic ${btoa(`${client}:${secret}`)}`
const own = () => basic(shop.clientId, shop.clientSecret)

async function form(path: string, fields: Record<string, string>, authorization = own()): Promise<Answer> {
  const headers = { authorization, "accept-language": "de" }
  return answerOf(await fetch(url(path), { method: "POST", headers, body: new URLSearchParams(fields) }))
}

const protocol = (endpoint: string, name = realm) => `/realms/${name}/protocol/openid-connect/${endpoint}`
const grant = (fields: Record<string, string>, authorization?: string, name?: string) =>
  form(protocol("token", name), fields, authorization)
const login = (username: string, more: Record<string, string> = {}, authorization?: string) =>
  grant({ grant_type: "password", username, password, ...more }, authorization)

function tokenIn({ body }: Answer, name = "access_token"): string {
  return String((body as Record<string, unknown> | null)?.[name])
}

/** As the service account, in the words of the library's own requests. */
async function manage(method: string, path: string, body?: unknown, token = serviceToken, name = realm) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "accept-language": "de" }
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  return answerOf(await fetch(url(`/admin/realms/${name}${path}`), init))
}

const userinfo = async (token: string) =>
  answerOf(await fetch(url(protocol("userinfo")), { headers: { authorization: `Bearer ${token}` } }))

async function newPerson(more: Record<string, unknown> = {}): Promise<{ id: string; username: string; email: string }> {
  const username = `person-${count++}`
  const email = `${username}@example.test`
  const credentials = [{ type: "password", value: password }]
  const names = { username, email, firstName: "Ada", lastName: "Lovelace" }
  const answer = await adminFetch("POST", `/realms/${realm}/users`, { ...names, enabled: true, credentials, ...more })
  const id = answer.headers.get("location")?.split("/").pop()
  if (answer.status !== 201 || id === undefined) throw new Error(`a person: ${answer.status} ${await answer.text()}`)
  return { id, username, email }
}

function introspectWithWrongSecret(): Promise<Answer> {
  return form(protocol("token/introspect"), { token: serviceToken }, basic(shop.clientId, "wrong"))
}

const account = (more: Record<string, unknown>) =>
  manage("POST", "/users", { username: `other-${count++}`, enabled: true, ...more })

/** Many creates of one name at once, until one of the losers hears these words. What takes time is the hash. */
async function race(words: string): Promise<Answer> {
  const until = performance.now() + 100_000
  for (let round = 0; performance.now() < until; round++) {
    const credentials = [{ type: "password", value: password }]
    const twin = { username: `twin-${count++}`, email: `twin-${count}@example.test`, credentials }
    // How many it takes depends on the machine.
    const twins = Array.from({ length: [12, 4, 24, 8][round % 4] ?? 12 }, () => manage("POST", "/users", twin))
    const answers = await Promise.all(twins)
    const found = answers.find(({ body }) => JSON.stringify(body).includes(words))
    if (found !== undefined) return found
  }
  throw new Error(`nobody heard "${words}"`)
}

const resetPassword = (id: string, value: string) =>
  manage("PUT", `/users/${id}/reset-password`, { type: "password", value })

/** The password of one person, set by several at once, until one of them hears of the others. */
async function collide(): Promise<Answer> {
  const until = performance.now() + 100_000
  while (performance.now() < until) {
    const { id } = await newPerson()
    const answers = await Promise.all([1, 2, 3, 4].map(nth => resetPassword(id, `${password}-${nth}`)))
    const loser = answers.find(({ status }) => status !== 204)
    if (loser !== undefined) return loser
  }
  throw new Error("nobody collided")
}

/** Losers of a race hear it now and then. Whoever sends what the database can't hold hears it always. */
async function tooLongForTheDatabase(): Promise<Answer> {
  const path = `/realms/${realm}/users/profile`
  const profile = (await (await adminFetch("GET", path)).json()) as { attributes: readonly object[] }
  const lenient = { ...profile, attributes: profile.attributes.map(one => ({ ...one, validations: {} })) }
  await adminFetch("PUT", path, lenient)
  const answer = await account({ username: "x".repeat(300) })
  await adminFetch("PUT", path, profile)
  return answer
}

/** A change of an account that is in a directory. */
async function changeLena(path: string, change: unknown): Promise<Answer> {
  const users = "/realms/words-directory/users"
  const [lena] = (await (await adminFetch("GET", `${users}?username=lena`)).json()) as { id: string }[]
  return answerOf(await adminFetch("PUT", `${users}/${lena?.id}${path}`, change))
}

/** What makes Keycloak say each of its sentences, by endpoint and kind, in the order of `sayings`. */
const provocations: Readonly<Record<string, readonly (() => Promise<Answer>)[]>> = {
  "token realm_absent": [() => grant({ grant_type: "client_credentials" }, own(), "no-such-realm")],
  "admin realm_absent": [() => manage("GET", "/users", undefined, serviceToken, "no-such-realm")],
  "token path_absent": [() => form(`/auth${protocol("token")}`, { grant_type: "client_credentials" })],
  "token realm_disabled": [() => grant({ grant_type: "client_credentials" }, own(), "words-off")],
  "token direct_grants_off": [() => login("edith", {}, basic("no-passwords", "secret"))],
  "token service_account_off": [() => grant({ grant_type: "client_credentials" }, basic("no-passwords", "secret"))],
  "token client_public": [() => grant({ grant_type: "client_credentials" }, basic("public", "secret"))],
  "token https_wanted": [() => grant({ grant_type: "client_credentials" }, own(), "words-https")],
  "token authenticator_other": [
    () => login("edith", {}, basic("signing", "secret")),
    () => login("edith", {}, basic("certified", "secret")),
  ],
  "token consent_wanted": [() => login("edith", {}, basic("consenting", "secret"))],
  "token certificate_wanted": [() => grant({ grant_type: "client_credentials" }, basic("bound", "secret"))],
  "token login_prohibited": [
    async () => {
      const path = `/realms/${realm}/client-policies`
      const profile = { name: "strict", executors: [{ executor: "reject-ropc-grant", configuration: {} }] }
      const conditions = [{ condition: "any-client", configuration: {} }]
      const policy = { name: "strict", enabled: true, conditions, profiles: ["strict"] }
      await adminFetch("PUT", `${path}/profiles`, { profiles: [profile] })
      await adminFetch("PUT", `${path}/policies`, { policies: [policy] })
      const answer = await login("edith")
      await adminFetch("PUT", `${path}/policies`, { policies: [] })
      return answer
    },
  ],
  "token bearer_only": [() => login("edith", {}, basic("bearer-only", "secret"))],
  "token dpop_wanted": [() => login("edith", {}, basic("dpop", "secret"))],
  "token secret_wrong": [() => login("edith", {}, basic(shop.clientId, "wrong"))],
  "introspection secret_wrong": [introspectWithWrongSecret],
  "introspection client_or_secret_wrong": [introspectWithWrongSecret],
  "token client_unknown": [() => login("edith", {}, basic("nobody", "secret"))],
  "token scope_refused": [
    () => login("edith", { scope: "openid nope" }),
    async () => {
      const { id, username } = await newPerson()
      const roles = await manage("GET", `/users/${id}/role-mappings/realm`)
      await manage("DELETE", `/users/${id}/role-mappings/realm`, roles.body)
      return login(username, { scope: "offline_access" })
    },
  ],
  "token account_disabled": [async () => login((await newPerson({ enabled: false })).username)],
  "token account_unfinished": [async () => login((await newPerson({ email: "" })).username)],
  "token grant_refused": [() => grant({ grant_type: "refresh_token", refresh_token: "junk" }), () => login("nobody")],
  "logout grant_refused": [() => form(protocol("logout"), { refresh_token: "junk" })],
  "userinfo token_lightweight": [
    async () => {
      const { username } = await newPerson()
      return userinfo(tokenIn(await login(username, { scope: "openid" }, basic("light", "secret"))))
    },
  ],
  "userinfo token_refused": [() => userinfo("junk")],
  "userinfo openid_missing": [async () => userinfo(tokenIn(await login((await newPerson()).username)))],
  "admin username_taken": [async () => account({ username: (await newPerson()).username })],
  "admin email_taken": [async () => account({ email: (await newPerson()).email })],
  "admin name_taken": [() => race("same username or email")],
  "admin create_undecided": [tooLongForTheDatabase],
  "admin username_missing": [() => account({ username: "" })],
  "admin password_refused": [
    () => account({ credentials: [{ type: "password", value: "short" }] }),
    async () => resetPassword((await newPerson()).id, " "),
  ],
  "admin change_collided": [collide],
  "admin read_only": [
    () => changeLena("/reset-password", { type: "password", value: "Passw0rd!2" }),
    () => changeLena("", { enabled: false }),
  ],
  "admin account_disabled": [
    async () => manage("PUT", `/users/${(await newPerson({ enabled: false })).id}/send-verify-email`),
  ],
  "admin email_missing": [async () => manage("PUT", `/users/${(await newPerson({ email: "" })).id}/send-verify-email`)],
  "admin redirect_refused": [
    async () => {
      const query = new URLSearchParams({ client_id: shop.clientId, redirect_uri: "https://elsewhere.example.test/" })
      return manage("PUT", `/users/${(await newPerson()).id}/send-verify-email?${query}`)
    },
  ],
  "admin mail_failed": [async () => manage("PUT", `/users/${(await newPerson()).id}/send-verify-email`)],
  "admin account_absent": [() => manage("GET", `/users/${nobody}`)],
  "admin group_absent": [() => manage("GET", "/group-by-path/nope")],
  "admin client_absent": [async () => manage("GET", `/users/${(await newPerson()).id}/offline-sessions/${nobody}`)],
  "admin session_absent": [() => manage("DELETE", `/sessions/${nobody}?isOffline=false`)],
  "admin token_not_taken": [() => manage("GET", "/users", undefined, "junk")],
  "admin role_missing": [
    async () => {
      const token = tokenIn(await grant({ grant_type: "client_credentials" }, basic("no-roles", "secret")))
      return manage("GET", "/users", undefined, token)
    },
  ],
}

function read({ status, challenge, body }: Answer): KeycloakError {
  return challenge === "" ? readKeycloakError(status, body) : readChallenge(status, challenge)
}

const cases = Object.entries(sayings).flatMap(([endpoint, ofEndpoint]) =>
  ofEndpoint.map((saying, index) => {
    const name = `${endpoint} ${saying.kind}`
    const nth = ofEndpoint.slice(0, index).filter(({ kind }) => kind === saying.kind).length
    return { name, words: String(saying.words), saying, provoke: provocations[name]?.[nth] }
  }),
)
const isSaidBy = ({ onlyIn }: Saying) => onlyIn === undefined || onlyIn === keycloakVersion

describe(`Keycloak ${keycloakVersion}, in a German realm,`, () => {
  it.each(cases.filter(({ saying }) => isSaidBy(saying)))("says $name: $words", async ({ saying, provoke }) => {
    const { kind, status, error, description } = read((await provoke?.()) ?? expect.unreachable("nothing provokes it"))
    expect({ kind, status }).toEqual({ kind: saying.kind, status: saying.status })
    const said = [error, description].filter(Boolean).join(": ")
    if (typeof saying.words === "string") expect(said).toBe(saying.words)
    else expect(said).toMatch(saying.words)
  })

  it.each(cases.filter(({ saying }) => !isSaidBy(saying)))(
    "does not say $name: $words",
    async ({ saying, provoke }) => {
      const { kind, status } = read((await provoke?.()) ?? expect.unreachable("nothing provokes it"))
      expect({ kind, status }).not.toEqual({ kind: saying.kind, status: saying.status })
    },
  )

  it("says which rules of a profile are broken, one of them or several", async () => {
    const wrong = { username: "a b", email: "ada" }
    const username = { field: "username", rule: "error-username-invalid-character", params: [] }
    const email = { field: "email", rule: "error-invalid-email", params: [] }
    const [one, two] = [read(await account({ username: wrong.username })), read(await account(wrong))]
    expect(one).toMatchObject({ kind: "rules_broken", fields: [username] })
    expect(two).toMatchObject({ kind: "rules_broken", fields: expect.arrayContaining([username, email]) })
  })

  it("says what of a directory's account it can't write: a field, or one of its rules", async () => {
    const disabled = read(await changeLena("", { enabled: false }))
    expect(disabled).toMatchObject({ kind: "read_only", fields: [{ field: "enabled", rule: "read_only", params: [] }] })
    const renamed = read(await changeLena("", { firstName: "Helena" }))
    const firstName = { field: "firstName", rule: "read_only", params: [] }
    expect(renamed).toMatchObject({ kind: "rules_broken", fields: [firstName] })
  })

  it("says of a password that it was used before, and speaks German to people", async () => {
    const { id } = await newPerson()
    const again = () => manage("PUT", `/users/${id}/reset-password`, { type: "password", value: `${password}2` })
    expect((await again()).status).toBe(204)
    const { kind, fields, description } = read(await again())
    expect({ kind, count: fields.length }).toEqual({ kind: "password_refused", count: 1 })
    expect(isPasswordHistory(fields[0]?.rule ?? "")).toBe(true)
    expect(description).toMatch(keycloakVersion === "26.4.7" ? /./ : /Passwort/)
  })

  it("says something that is listed nowhere, which stays unknown, with its words", async () => {
    const { kind, error } = read(await account({ nope: 1 }))
    expect({ kind, error }).toEqual({ kind: "unknown", error: expect.stringContaining("Unrecognized field") })
  })
})
