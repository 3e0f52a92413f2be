import { createPublicKey, verify } from "node:crypto"
import { beforeAll, describe, expect, it } from "vitest"
import discovery from "./discovery.json" with { type: "json" }
import type { OpenRealm } from "./open-realms.ts"
import { about, claimsOf, client, headerOf, type RealmClient } from "./realm-client.ts"

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const withUuid = (start: string) => expect.stringMatching(new RegExp(`^${start}[0-9a-f-]{36}$`))
const sorted = (list: unknown) => [...(list as string[])].sort()

/** Claims with what has no order in it sorted. */
function normalised(claims: Record<string, unknown>) {
  const { realm_access, resource_access, scope, aud } = claims as {
    realm_access?: { roles: string[] }
    resource_access?: Record<string, { roles: string[] }>
    scope?: string
    aud?: string | string[]
  }
  const roles = (access: { roles: string[] }) => ({ roles: sorted(access.roles) })
  return {
    ...claims,
    ...(scope !== undefined && { scope: scope.split(" ").sort().join(" ") }),
    ...(Array.isArray(aud) && { aud: sorted(aud) }),
    ...(Array.isArray(claims.aud_x) && { aud_x: sorted(claims.aud_x) }),
    ...(realm_access && { realm_access: roles(realm_access) }),
    ...(resource_access && {
      resource_access: Object.fromEntries(Object.entries(resource_access).map(([id, access]) => [id, roles(access)])),
    }),
  }
}

export function describeTokens(open: OpenRealm): void {
  describe("tokens (keycloak-facts.md, Tokens)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("tokens", file => {
        file.bruteForceProtected = false
        const mapper = (name: string, protocolMapper: string, config: Record<string, string>) => ({
          name,
          protocol: "openid-connect",
          protocolMapper,
          config: { "access.token.claim": "true", ...config },
        })
        const base = { enabled: true, secret: "gate-secret", directAccessGrantsEnabled: true }
        const toGate = { "included.client.audience": "gate-app", "introspection.token.claim": "true" }
        const ofItself = {
          ...{ ...base, serviceAccountsEnabled: true },
          protocolMappers: [mapper("to gate-app", "oidc-audience-mapper", toGate)],
        }
        const withSession = { "client_credentials.use_refresh_token": "true" }
        const light = { "client.use.lightweight.access.token.enabled": "true" }
        const scopes = ["basic", "profile", "email"]
        const brought = { username: "service-account-gate-session-brought", enabled: true }
        file.users.push({ ...brought, serviceAccountClientId: "gate-session-brought" })
        file.clients.push(
          { clientId: "gate-narrow", ...base, fullScopeAllowed: false },
          { clientId: "gate-eddsa", ...base, attributes: { "access.token.signed.response.alg": "EdDSA" } },
          { clientId: "gate-ps512", ...base, attributes: { "access.token.signed.response.alg": "PS512" } },
          { clientId: "gate-es512", ...base, attributes: { "access.token.signed.response.alg": "ES512" } },
          { clientId: "gate-norefresh", ...base, attributes: { "use.refresh.tokens": "false" } },
          { clientId: "gate-basicless", ...base, defaultClientScopes: ["profile", "email", "roles"] },
          { clientId: "gate-own", ...ofItself },
          { clientId: "Gate-Session", ...ofItself, attributes: withSession },
          { clientId: "gate-session-scopes", ...ofItself, attributes: withSession, defaultClientScopes: scopes },
          { clientId: "gate-session-brought", ...ofItself, attributes: withSession },
          { clientId: "gate-session-light", ...ofItself, attributes: { ...withSession, ...light } },
          {
            clientId: "gate-session-once",
            ...ofItself,
            attributes: { ...withSession, "use.refresh.tokens": "false" },
          },
          {
            clientId: "gate-mapped",
            ...base,
            webOrigins: ["https://app.example.test", "+"],
            redirectUris: ["https://other.example.test/*"],
            protocolMappers: [
              mapper("groups", "oidc-group-membership-mapper", {
                "claim.name": "groups",
                "full.path": "true",
                "id.token.claim": "true",
                "userinfo.token.claim": "true",
              }),
              mapper("plan", "oidc-usermodel-attribute-mapper", {
                "claim.name": "app.plan",
                "user.attribute": "plan",
                "jsonType.label": "String",
              }),
              mapper("plans", "oidc-usermodel-attribute-mapper", {
                "claim.name": "plans",
                "user.attribute": "plan",
                "jsonType.label": "String",
                multivalued: "true",
              }),
              mapper("count", "oidc-usermodel-attribute-mapper", {
                "claim.name": "count",
                "user.attribute": "count",
                "jsonType.label": "int",
              }),
              mapper("fixed", "oidc-hardcoded-claim-mapper", {
                "claim.name": "tenant",
                "claim.value": '{"id":7}',
                "jsonType.label": "JSON",
              }),
              mapper("custom", "oidc-audience-mapper", { "included.custom.audience": "my-api" }),
              mapper("roles", "oidc-usermodel-client-role-mapper", {
                "claim.name": "editor_roles",
                "usermodel.clientRoleMapping.clientId": "gate-api",
                "usermodel.clientRoleMapping.rolePrefix": "api:",
                multivalued: "true",
                "jsonType.label": "String",
              }),
              mapper("realm roles", "oidc-usermodel-realm-role-mapper", {
                "claim.name": "realm_roles",
                multivalued: "true",
                "jsonType.label": "String",
              }),
            ],
          },
        )
        const alice = file.users.find(({ username }) => username === "alice")
        Object.assign(alice ?? {}, { attributes: { plan: ["pro", "free"], count: ["7"] } })
      })
    })

    const accessOf = async (clientId: string, username = "alice", scope?: string) => {
      const { body } = await realm.login(username, scope === undefined ? {} : { scope }, client(clientId))
      return String(body.access_token)
    }
    const claimsFor = async (...asked: Parameters<typeof accessOf>) => normalised(claimsOf(await accessOf(...asked)))

    it("say who has logged in, for whom, and with which roles", async () => {
      const token = await accessOf("gate-app")
      expect(headerOf(token)).toEqual({ alg: "RS256", typ: "JWT", kid: expect.stringMatching(/^[\w-]{43}$/) })
      const claims = normalised(claimsOf(token)) as Record<string, unknown>
      expect(claims).toEqual({
        exp: Number(claims.iat) + 300,
        iat: expect.any(Number),
        jti: withUuid("onrtro:"),
        iss: realm.issuer,
        aud: ["account", "gate-api", "gate-app"],
        sub: expect.stringMatching(uuid),
        typ: "Bearer",
        azp: "gate-app",
        sid: expect.stringMatching(/^[\w-]{24}$/),
        acr: "1",
        "allowed-origins": ["https://app.example.test"],
        realm_access: { roles: ["app-user", "default-roles-gate-test", "offline_access", "uma_authorization"] },
        resource_access: {
          "gate-api": { roles: ["editor"] },
          account: { roles: ["manage-account", "manage-account-links", "view-profile"] },
        },
        scope: "email profile",
        email_verified: true,
        name: "Test User",
        preferred_username: "alice",
        given_name: "Test",
        family_name: "User",
        email: "alice@example.test",
      })
    })

    it("have one audience as a text, and several as a list", async () => {
      expect(await claimsFor("gate-noaud", "bob-admin")).toMatchObject({ aud: "account" })
      expect(await claimsFor("gate-noaud")).toMatchObject({ aud: ["account", "gate-api"] })
    })

    it("have neither roles nor audience for a client without full scope", async () => {
      const claims = await claimsFor("gate-narrow")
      for (const name of ["aud", "realm_access", "resource_access"]) expect(claims).not.toHaveProperty(name)
      expect(claims).toMatchObject({ sub: expect.any(String), preferred_username: "alice" })
    })

    it("have no roles for a user without any", async () => {
      const id = await realm.createUser("rolf-roleless")
      const roles = (await realm.admin("GET", `/users/${id}/role-mappings/realm`)).body
      await realm.admin("DELETE", `/users/${id}/role-mappings/realm`, roles)
      const claims = await claimsFor("gate-noaud", "rolf-roleless")
      for (const name of ["aud", "realm_access", "resource_access"]) expect(claims).not.toHaveProperty(name)
    })

    it("have no subject without the scope basic", async () => {
      expect(await claimsFor("gate-basicless")).not.toHaveProperty("sub")
    })

    it("have the granted scopes in `scope`", async () => {
      expect(await claimsFor("gate-app", "alice", "openid phone")).toMatchObject({
        scope: "email openid phone profile",
      })
    })

    it("are few words for a lightweight client", async () => {
      const claims = await claimsFor("gate-light", "alice", "openid")
      expect(claims).toEqual({
        ...{ exp: expect.any(Number), iat: expect.any(Number), jti: withUuid("onltro:"), iss: realm.issuer },
        ...{ typ: "Bearer", azp: "gate-light", sid: expect.any(String), scope: "email openid profile" },
      })
    })

    it("say at+jwt in the header where the client asks for RFC 9068, and Bearer in the claims", async () => {
      const token = await accessOf("gate-atjwt")
      expect(headerOf(token)).toMatchObject({ typ: "at+jwt" })
      expect(claimsOf(token)).toMatchObject({ typ: "Bearer" })
    })

    it("live as long as their client says", async () => {
      const { body } = await realm.login("alice", {}, client("gate-short"))
      const { exp, iat } = claimsOf(body.access_token) as { exp: number; iat: number }
      expect([body.expires_in <= 2, exp - iat]).toEqual([true, 2])
    })

    it("of a client itself have no session", async () => {
      const { body } = await realm.token({ grant_type: "client_credentials" })
      const claims = normalised(claimsOf(body.access_token))
      expect(claims).toEqual({
        ...{ exp: expect.any(Number), iat: expect.any(Number), jti: withUuid("trrtcc:"), iss: realm.issuer },
        aud: ["gate-api", "gate-app", "realm-management"],
        sub: expect.stringMatching(uuid),
        ...{ typ: "Bearer", azp: "gate-app", acr: "1", scope: "email profile", email_verified: false },
        "allowed-origins": ["https://app.example.test"],
        resource_access: { "realm-management": { roles: ["manage-users"] } },
        preferred_username: "service-account-gate-app",
      })
    })

    const noted = (clientId: string) => ({ client_id: clientId, clientHost: "127.0.0.1", clientAddress: "127.0.0.1" })
    const ofItself = async (clientId: string, scope = "openid") =>
      (await realm.token({ grant_type: "client_credentials", scope }, client(clientId))).body

    it.each(["Gate-Session", "gate-session-scopes"])(
      "of a client itself have a session where it wants refresh tokens, and say so everywhere (%s)",
      async id => {
        const body = await ofItself(id)
        expect(body).toMatchObject({
          ...{ refresh_expires_in: about(1800), session_state: expect.any(String), refresh_token: expect.any(String) },
        })
        const username = `service-account-${id.toLowerCase()}`
        const claims = claimsOf(body.access_token)
        const told = { ...noted(id), preferred_username: username }
        expect(claims).toMatchObject({ jti: withUuid("onrtcc:"), azp: id, sid: body.session_state, ...told })
        expect(claimsOf(body.refresh_token)).toMatchObject({ typ: "Refresh", azp: id, sid: body.session_state })
        expect((await realm.introspect(body.access_token)).body).toMatchObject({ active: true, username, ...told })
        const info = await realm.userinfo({ authorization: `Bearer ${body.access_token}` })
        expect(info.body).toEqual({ sub: claims.sub, email_verified: false, ...told })
      },
    )

    it("of a client itself are refreshed into tokens of their session, which a logout ends", async () => {
      const body = await ofItself("Gate-Session")
      const refreshed = await realm.refresh(body.refresh_token, client("Gate-Session"))
      expect(claimsOf(refreshed.body.access_token)).toMatchObject({
        ...{ jti: withUuid("onrtrt:"), sid: body.session_state, ...noted("Gate-Session") },
      })
      const as = { client_id: "Gate-Session", client_secret: "gate-secret" }
      expect((await realm.post("logout", { ...as, refresh_token: body.refresh_token })).status).toBe(204)
      expect((await realm.introspect(body.access_token)).body).toEqual({ active: false })
    })

    it("of a client itself tell nothing of it without the scope service_account, which an import does not add", async () => {
      const { access_token } = await ofItself("gate-session-brought")
      const claims = claimsOf(access_token)
      const username = "service-account-gate-session-brought"
      expect(claims).toMatchObject({ sid: expect.any(String), preferred_username: username })
      for (const name of ["client_id", "clientHost", "clientAddress"]) expect(claims).not.toHaveProperty(name)
      const { body } = await realm.introspect(access_token)
      expect(body).toMatchObject({ active: true, client_id: "gate-session-brought" })
      for (const name of ["clientHost", "clientAddress"]) expect(body).not.toHaveProperty(name)
    })

    it("of a lightweight client itself tell of it in introspection alone", async () => {
      const { access_token } = await ofItself("gate-session-light")
      expect(Object.keys(claimsOf(access_token)).sort()).toEqual([
        "azp",
        "exp",
        "iat",
        "iss",
        "jti",
        "scope",
        "sid",
        "typ",
      ])
      expect((await realm.introspect(access_token)).body).toMatchObject({
        ...{ active: true, sub: expect.any(String), sid: claimsOf(access_token).sid, ...noted("gate-session-light") },
      })
    })

    it("of a client itself have one refresh token where its sessions use none", async () => {
      const body = await ofItself("gate-session-once")
      const refreshed = await realm.refresh(body.refresh_token, client("gate-session-once"))
      expect(refreshed.status).toBe(200)
      expect(refreshed.body).not.toHaveProperty("refresh_token")
    })

    it("of a client itself without a session leave nothing behind for introspection", async () => {
      const { access_token } = (await realm.token({ grant_type: "client_credentials" }, client("gate-own"))).body
      expect(claimsOf(access_token)).toMatchObject(noted("gate-own"))
      const { body } = await realm.introspect(access_token)
      expect(body).toMatchObject({ active: true, client_id: "gate-own" })
      for (const name of ["sid", "clientHost", "clientAddress"]) expect(body).not.toHaveProperty(name)
    })

    it.each([
      ["gate-app", "RS256"],
      ["gate-es256", "ES256"],
      ["gate-es512", "ES512"],
      ["gate-ps512", "PS512"],
      ["gate-eddsa", "EdDSA"],
    ])("of %s are signed with %s, by a key of the key set", async (clientId, alg) => {
      const token = await accessOf(clientId)
      const { kid, alg: used } = headerOf(token)
      expect(used).toBe(alg)
      const { keys } = (await realm.get(`/realms/${realm.realm}/protocol/openid-connect/certs`)).body
      const key = keys.find((one: { kid: string }) => one.kid === kid)
      expect(key).toMatchObject({ alg, use: "sig" })
      const kinds: Record<string, object> = {
        RS: { kty: "RSA" },
        PS: { kty: "RSA" },
        Ed: { kty: "OKP", crv: "Ed25519" },
      }
      expect(key).toMatchObject(kinds[alg.slice(0, 2)] ?? { kty: "EC", crv: alg === "ES256" ? "P-256" : "P-521" })
      const [header = "", payload = "", signature = ""] = token.split(".")
      const publicKey = createPublicKey({ key, format: "jwk" })
      const options = {
        key: publicKey,
        ...(alg.startsWith("ES") && { dsaEncoding: "ieee-p1363" as const }),
        ...(alg.startsWith("PS") && { padding: 6, saltLength: -1 }),
      }
      const hash = alg === "EdDSA" ? null : `sha${alg.slice(2)}`
      const content = Buffer.from(`${header}.${payload}`)
      expect(verify(hash, content, options, Buffer.from(signature, "base64url"))).toBe(true)
    })

    it("come with a key set that has an encryption key too, and certificates", async () => {
      const { body, headers } = await realm.get(`/realms/${realm.realm}/protocol/openid-connect/certs`)
      expect(headers.get("cache-control")).toBe("no-cache")
      const rsa = body.keys.filter(({ kty }: { kty: string }) => kty === "RSA")
      expect(new Set(rsa.map(({ use }: { use: string }) => use))).toEqual(new Set(["sig", "enc"]))
      for (const key of rsa) {
        expect(Object.keys(key).sort()).toEqual(["alg", "e", "kid", "kty", "n", "use", "x5c", "x5t", "x5t#S256"])
        const ofCertificate = createPublicKey(`-----BEGIN CERTIFICATE-----\n${key.x5c[0]}\n-----END CERTIFICATE-----`)
        expect(ofCertificate.export({ format: "jwk" })).toMatchObject({ n: key.n, e: key.e })
      }
    })

    it("have their claims from the mappers of the client", async () => {
      const { body } = await realm.login("alice", { scope: "openid" }, client("gate-mapped"))
      const claims = normalised(claimsOf(body.access_token)) as Record<string, unknown>
      expect(claims).toMatchObject({
        groups: ["/staff"],
        app: { plan: "pro" },
        plans: ["pro", "free"],
        count: 7,
        tenant: { id: 7 },
        aud: ["account", "gate-api", "my-api"],
        editor_roles: ["api:editor"],
      })
      expect(sorted(claims["allowed-origins"])).toEqual(["https://app.example.test", "https://other.example.test"])
      expect(sorted(claims.realm_roles)).toEqual([
        "app-user",
        "default-roles-gate-test",
        "offline_access",
        "uma_authorization",
      ])
      expect(claimsOf(body.id_token)).toMatchObject({ groups: ["/staff"] })
      expect(claimsOf(body.id_token)).not.toHaveProperty("tenant")
      const info = await realm.userinfo({ authorization: `Bearer ${body.access_token}` })
      expect(info.body).toMatchObject({ groups: ["/staff"] })
      const ofBob = await claimsFor("gate-mapped", "bob-admin")
      for (const name of ["groups", "app", "plans", "count", "editor_roles"]) expect(ofBob).not.toHaveProperty(name)
    })

    it("of the ID kind pass for access tokens but for their type", async () => {
      const { body } = await realm.login("alice", { scope: "openid" })
      expect(headerOf(body.id_token)).toMatchObject({ alg: "RS256", typ: "JWT" })
      const claims = claimsOf(body.id_token)
      expect(claims).toEqual({
        ...{ exp: expect.any(Number), iat: expect.any(Number), jti: expect.stringMatching(uuid), iss: realm.issuer },
        ...{ aud: "gate-app", sub: expect.stringMatching(uuid), typ: "ID", azp: "gate-app", acr: "1" },
        ...{ sid: body.session_state, at_hash: expect.stringMatching(/^[\w-]{22}$/) },
        ...{ email_verified: true, name: "Test User", preferred_username: "alice", given_name: "Test" },
        ...{ family_name: "User", email: "alice@example.test" },
      })
    })

    it("of the refresh kind can be verified by nobody else", async () => {
      const { body } = await realm.login("alice", { scope: "openid" })
      expect(headerOf(body.refresh_token)).toEqual({ alg: "HS512", typ: "JWT", kid: expect.stringMatching(uuid) })
      const claims = normalised(claimsOf(body.refresh_token)) as Record<string, unknown>
      expect(claims).toEqual({
        ...{ exp: Number(claims.iat) + 1800, iat: expect.any(Number), jti: expect.stringMatching(uuid) },
        ...{ iss: realm.issuer, aud: realm.issuer, sub: expect.stringMatching(uuid), typ: "Refresh", azp: "gate-app" },
        ...{ sid: body.session_state, scope: "acr basic email openid profile roles web-origins" },
        ...{ aud_x: ["account", "gate-api", "gate-app"], prov: "default" },
      })
    })

    it("are refreshed into tokens of the same session, and the old refresh token stays good", async () => {
      const { body } = await realm.login("alice", { scope: "openid" })
      const first = await realm.refresh(body.refresh_token)
      expect(first).toMatchObject({ status: 200, body: { session_state: body.session_state, token_type: "Bearer" } })
      expect(first.body.scope.split(" ").sort()).toEqual(["email", "openid", "profile"])
      expect(Object.keys(first.body).sort()).toEqual(Object.keys(body).sort())
      const [before, after] = [claimsOf(body.access_token), claimsOf(first.body.access_token)]
      expect(after).toMatchObject({ jti: withUuid("onrtrt:"), sid: before.sid, sub: before.sub })
      expect((await realm.refresh(body.refresh_token)).status).toBe(200)
      expect((await realm.refresh(first.body.refresh_token)).status).toBe(200)
    })

    it("are refreshed for fewer scopes, never for more", async () => {
      const { body } = await realm.login("alice", { scope: "openid" })
      const refresh = (scope: string) =>
        realm.token({ grant_type: "refresh_token", refresh_token: body.refresh_token, scope })
      for (const scope of ["email", "phone"]) {
        const narrow = (await refresh(scope)).body
        expect(narrow.scope.split(" ").sort()).toEqual(["email", "profile"])
        expect(narrow).toHaveProperty("id_token")
        expect(String(claimsOf(narrow.refresh_token).scope).split(" ")).toContain("openid")
      }
      expect(await refresh("nope")).toMatchObject({ status: 400, body: { error: "invalid_scope" } })
    })

    it("are not refreshed for a client that wants none", async () => {
      const { status, body } = await realm.login("alice", {}, client("gate-norefresh"))
      expect(status).toBe(200)
      expect(body).not.toHaveProperty("refresh_token")
    })

    it("are offline for the scope offline_access, without an end", async () => {
      const { body } = await realm.login("alice", { scope: "offline_access" })
      expect(body.refresh_expires_in).toBe(0)
      expect(body.scope.split(" ")).toContain("offline_access")
      expect(claimsOf(body.access_token)).toMatchObject({ jti: withUuid("ofrtro:") })
      const claims = claimsOf(body.refresh_token)
      expect(claims).toMatchObject({ typ: "Offline" })
      expect(claims).not.toHaveProperty("exp")
      const again = await realm.refresh(body.refresh_token)
      expect(again).toMatchObject({ status: 200, body: { refresh_expires_in: 0 } })
      expect(claimsOf(again.body.access_token)).toMatchObject({ jti: withUuid("ofrtrt:") })
    })

    it.each([
      ["no refresh token", {}, "invalid_request", "No refresh token"],
      ["an empty one", { refresh_token: "" }, "invalid_grant", "Invalid refresh token"],
      ["junk", { refresh_token: "junk" }, "invalid_grant", "Invalid refresh token"],
      ["junk in three parts", { refresh_token: "e30.e30.e30" }, "invalid_grant", "Invalid refresh token"],
    ] as const)("refuses to refresh %s", async (_name, fields, error, error_description) => {
      const answer = await realm.token({ grant_type: "refresh_token", ...fields })
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 400, body: { error, error_description } })
    })

    it("refuses to refresh with another kind of token, a changed one, or one of another client", async () => {
      const { body } = await realm.login("alice", { scope: "openid" })
      const invalid = { status: 400, body: { error: "invalid_grant", error_description: "Invalid refresh token" } }
      for (const token of [body.access_token, body.id_token, `${body.refresh_token.slice(0, -8)}AAAAAAAA`])
        expect(await realm.refresh(token)).toMatchObject(invalid)
      expect(await realm.refresh(body.refresh_token, client("gate-noaud"))).toMatchObject({
        status: 400,
        body: { error_description: "Invalid refresh token. Token client and authorized client don't match" },
      })
    })

    it("name the host that they were asked for at, and count there only", async () => {
      const elsewhere = realm.url.replace("127.0.0.1", "localhost")
      const { body } = await realm.login("alice", { scope: "openid" })
      const ask = (path: string, init?: RequestInit) => fetch(`${elsewhere}/realms/${realm.realm}${path}`, init)
      const { issuer } = (await (await ask("/.well-known/openid-configuration")).json()) as { issuer: string }
      expect(issuer).toBe(`${elsewhere}/realms/${realm.realm}`)
      const info = await ask("/protocol/openid-connect/userinfo", {
        headers: { authorization: `Bearer ${body.access_token}` },
      })
      expect(info.status).toBe(401)
      const as = { client_id: "gate-app", client_secret: "gate-secret" }
      const form = (fields: Record<string, string>) => ({
        method: "POST",
        body: new URLSearchParams({ ...as, ...fields }),
      })
      const refreshed = await ask(
        "/protocol/openid-connect/token",
        form({ grant_type: "refresh_token", refresh_token: body.refresh_token }),
      )
      expect(await refreshed.json()).toEqual({
        error: "invalid_grant",
        error_description: `Invalid token issuer. Expected '${issuer}'`,
      })
      const introspected = await ask("/protocol/openid-connect/token/introspect", form({ token: body.access_token }))
      expect(await introspected.json()).toEqual({ active: false })
    })

    it("are described by the realm's discovery document", async () => {
      const { body, headers } = await realm.get(`/realms/${realm.realm}/.well-known/openid-configuration`)
      expect(headers.get("content-type")).toMatch(/^application\/json/)
      expect(headers.get("cache-control")).toBe("no-cache, must-revalidate, no-transform, no-store")
      const lists = (value: unknown): unknown => {
        if (Array.isArray(value)) return sorted(value)
        return typeof value === "string" ? value.replace(realm.issuer, "{issuer}") : value
      }
      const document = JSON.parse(JSON.stringify(body, (_name, value) => lists(value)))
      expect(document).toEqual(discovery)
    })
  })

  describe("a realm that takes each refresh token once (keycloak-facts.md, Tokens)", () => {
    it("ends the session for whoever uses one twice", async () => {
      const realm = await open("revoke-refresh", file => {
        file.revokeRefreshToken = true
      })
      const first = (await realm.login("bob-admin")).body.refresh_token
      const second = (await realm.refresh(first)).body.refresh_token
      const refused = (error_description: string) => ({
        status: 400,
        body: { error: "invalid_grant", error_description },
      })
      expect(await realm.refresh(first)).toMatchObject(refused("Maximum allowed refresh token reuse exceeded"))
      expect(await realm.refresh(second)).toMatchObject(refused("Session doesn't have required client"))
    })
  })
}
