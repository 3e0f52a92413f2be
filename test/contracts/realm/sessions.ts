import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { type Answer, claimsOf, client, gateApp, type RealmClient } from "./realm-client.ts"

const inactive = { active: false }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A refusal of userinfo: no body, a challenge. */
function challenge(answer: Answer) {
  return { status: answer.status, body: answer.body, challenge: answer.headers.get("www-authenticate") }
}

function refusal(realm: RealmClient, status: number, error?: string, description?: string) {
  const reason = error === undefined ? "" : `, error="${error}", error_description="${description}"`
  return { status, body: "", challenge: `Bearer realm="${realm.realm}"${reason}` }
}

export function describeSessions(open: OpenRealm): void {
  describe("introspection, userinfo, revocation, logout (keycloak-facts.md, Sessions)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("sessions", file => {
        file.bruteForceProtected = false
      })
    })

    interface Tokens {
      access_token: string
      refresh_token: string
      id_token: string
      session_state: string
    }
    const login = async (username = "bob-admin", clientId = "gate-app"): Promise<Tokens> =>
      (await realm.login(username, { scope: "openid" }, client(clientId))).body
    const as = { client_id: gateApp.id, client_secret: "gate-secret" }
    const userinfo = (token: string) => realm.userinfo(bearer(token))
    const failed = () => refusal(realm, 401, "invalid_token", "Token verification failed")
    const sessionGone = () => refusal(realm, 401, "invalid_token", "user_session_not_found")
    const refreshRefused = (error_description: string) => ({
      status: 400,
      body: { error: "invalid_grant", error_description },
    })

    describe("introspection", () => {
      it("answers the claims of a live token to a caller in its audience", async () => {
        const { access_token } = await login()
        const answer = await realm.introspect(access_token)
        expect(answer.headers.get("cache-control")).toBe("no-cache")
        const claims = claimsOf(access_token)
        expect({ ...answer.body, ...unordered }).toEqual({
          ...claims,
          ...unordered,
          ...{ client_id: "gate-app", username: "bob-admin", token_type: "Bearer", active: true },
        })
        expect((await realm.introspect(access_token, client("gate-api"))).body).toMatchObject({ active: true })
      })

      it("calls a token inactive for a caller outside its audience", async () => {
        const { access_token } = await login("bob-admin", "gate-noaud")
        expect((await realm.introspect(access_token, client("gate-noaud"))).body).toEqual(inactive)
        expect((await realm.introspect(access_token)).body).toEqual(inactive)
      })

      it("answers all claims of a lightweight token", async () => {
        const { access_token } = await login("bob-admin", "gate-light")
        expect((await realm.introspect(access_token, client("gate-light"))).body).toMatchObject({
          ...{ active: true, preferred_username: "bob-admin", sub: expect.any(String), azp: "gate-light" },
        })
      })

      it("answers what the account is now, not what it was", async () => {
        const id = await realm.createUser("irma-intro")
        const { access_token } = await login("irma-intro")
        await realm.admin("PUT", `/users/${id}`, { firstName: "Changed" })
        expect((await realm.introspect(access_token)).body.given_name).toBe("Changed")
      })

      it("calls an ID token active", async () => {
        expect((await realm.introspect((await login()).id_token)).body).toMatchObject({ active: true, typ: "ID" })
      })

      it("calls a refresh token active for its hint only", async () => {
        const { refresh_token } = await login()
        expect((await realm.introspect(refresh_token)).body).toEqual(inactive)
        const hinted = await realm.introspect(refresh_token, gateApp, { token_type_hint: "refresh_token" })
        expect(hinted.body).toMatchObject({ active: true, typ: "Refresh" })
      })

      it("calls a client's own token active", async () => {
        const { access_token } = (await realm.token({ grant_type: "client_credentials" })).body
        const { body } = await realm.introspect(access_token)
        expect(body).toMatchObject({ active: true, client_id: "gate-app", token_type: "Bearer" })
        expect(body.username).toBe("service-account-gate-app")
      })

      it.each(["", "junk", "a.b.c"])("calls the token %j inactive", async token => {
        expect(await realm.introspect(token)).toMatchObject({ status: 200, body: inactive })
      })

      it.each([
        ["a token of no type", { ...as, token: "e30.e30.e30" }, 400, "invalid_request", "Failed to introspect token."],
        [
          "a wrong secret",
          { ...as, client_secret: "x", token: "x" },
          401,
          "invalid_client",
          "Client authentication failed.",
        ],
        ["no client", { token: "x" }, 401, "invalid_client", "Invalid client or Invalid client credentials"],
        [
          "an unknown client",
          { client_id: "nobody", token: "x" },
          401,
          "invalid_client",
          "Invalid client or Invalid client credentials",
        ],
        ["a public client", { client_id: "gate-public", token: "x" }, 403, "invalid_request", "Client not allowed."],
        ["no token", as, 400, "invalid_request", "Token not provided."],
        [
          "an unknown hint",
          { ...as, token: "x", token_type_hint: "zz" },
          400,
          "invalid_request",
          "Unsupported token type.",
        ],
      ] as const)("refuses %s", async (_name, fields, status, error, error_description) => {
        const answer = await realm.post("token/introspect", fields)
        expect({ status: answer.status, body: answer.body }).toEqual({ status, body: { error, error_description } })
      })
    })

    describe("userinfo", () => {
      it.each(["GET", "POST", "form"])("answers who the token is about, asked by %s", async how => {
        const { access_token } = await login()
        const answers = {
          GET: () => userinfo(access_token),
          POST: () => realm.userinfo(bearer(access_token), ""),
          form: () => realm.userinfo({}, { access_token }),
        }
        const answer = await answers[how as keyof typeof answers]()
        expect(answer.status).toBe(200)
        expect(answer.headers.get("content-type")).toBe("application/json")
        expect(answer.body).toEqual({
          ...{
            sub: claimsOf(access_token).sub,
            email_verified: true,
            name: "Test User",
            preferred_username: "bob-admin",
          },
          ...{ given_name: "Test", family_name: "User", email: "bob-admin@example.test" },
        })
      })

      it("asks no audience", async () => {
        expect((await userinfo((await login("bob-admin", "gate-noaud")).access_token)).status).toBe(200)
      })

      it("refuses with an empty body and a challenge", async () => {
        const tokens = await login()
        const none = refusal(realm, 401)
        const answer = await realm.userinfo()
        expect(challenge(answer)).toEqual(none)
        expect(answer.headers.get("content-type")).toBe("text/plain;charset=utf-8")
        expect(challenge(await realm.userinfo({ authorization: "Basic eDp5" }))).toEqual(none)
        for (const token of [
          "junk",
          tokens.id_token,
          tokens.refresh_token,
          `${tokens.access_token.slice(0, -8)}AAAAAAAA`,
        ])
          expect(challenge(await userinfo(token))).toEqual(failed())
        const both = await realm.userinfo(bearer(tokens.access_token), { access_token: tokens.access_token })
        const twice = "More than one method used for including an access token"
        expect(challenge(both)).toEqual(refusal(realm, 400, "invalid_request", twice))
      })

      it("refuses a token without the scope openid, and a client's own", async () => {
        const missing = refusal(realm, 403, "insufficient_scope", "Missing openid scope")
        expect(challenge(await userinfo((await realm.login("bob-admin")).body.access_token))).toEqual(missing)
        const { body } = await realm.token({ grant_type: "client_credentials" })
        expect(challenge(await userinfo(body.access_token))).toEqual(missing)
      })

      it("refuses a lightweight token", async () => {
        const { access_token } = await login("bob-admin", "gate-light")
        const why = "Lightweight access token not allowed for userinfo endpoint"
        expect(challenge(await userinfo(access_token))).toEqual(refusal(realm, 401, "invalid_token", why))
      })

      it("refuses a token that has expired", async () => {
        const { access_token } = await login("bob-admin", "gate-short")
        await expect.poll(async () => challenge(await userinfo(access_token)), { interval: 500 }).toEqual(failed())
        expect((await realm.introspect(access_token, client("gate-short"))).body).toEqual(inactive)
      })
    })

    describe("what ends a session", () => {
      const all = async (tokens: Tokens) => ({
        introspected: (await realm.introspect(tokens.access_token)).body.active,
        userinfo: challenge(await userinfo(tokens.access_token)),
        refreshed: await realm.refresh(tokens.refresh_token).then(({ status, body }) => ({ status, body })),
      })

      it("a revoked access token is dead, and its session lives", async () => {
        const tokens = await login()
        const revoked = await realm.post("revoke", { ...as, token: tokens.access_token })
        expect({ status: revoked.status, body: revoked.body }).toEqual({ status: 200, body: "" })
        expect(await all(tokens)).toMatchObject({ introspected: false, userinfo: failed(), refreshed: { status: 200 } })
        expect((await realm.post("revoke", { ...as, token: tokens.access_token })).status).toBe(200)
      })

      it("a revoked refresh token ends its session", async () => {
        const tokens = await login()
        expect((await realm.post("revoke", { ...as, token: tokens.refresh_token })).body).toBe("")
        expect(await all(tokens)).toEqual({
          introspected: false,
          userinfo: sessionGone(),
          refreshed: refreshRefused("Session not active"),
        })
        const again = await realm.post("revoke", { ...as, token: tokens.refresh_token })
        expect(again.body).toEqual({ error: "invalid_token", error_description: "Invalid token" })
      })

      it("a logout ends its session, as often as it is asked for", async () => {
        const tokens = await login()
        const logout = () => realm.post("logout", { ...as, refresh_token: tokens.refresh_token })
        const answer = await logout()
        expect({ status: answer.status, body: answer.body }).toEqual({ status: 204, body: "" })
        expect(await all(tokens)).toEqual({
          introspected: false,
          userinfo: sessionGone(),
          refreshed: refreshRefused("Session not active"),
        })
        expect((await logout()).status).toBe(204)
      })

      it("an administrator's logout ends all sessions of a user, and dates it", async () => {
        const id = await realm.createUser("otto-out")
        const [one, other] = [await login("otto-out"), await login("otto-out")]
        const sessions = (await realm.admin("GET", `/users/${id}/sessions`)).body
        expect(sessions.map((session: { id: string }) => session.id).sort()).toEqual(
          [one.session_state, other.session_state].sort(),
        )
        expect(sessions[0]).toEqual({
          ...{ id: expect.any(String), username: "otto-out", userId: id, ipAddress: "127.0.0.1" },
          ...{ start: expect.any(Number), lastAccess: expect.any(Number), rememberMe: false, transientUser: false },
          clients: { [Object.keys(sessions[0].clients)[0] ?? ""]: "gate-app" },
        })
        expect((await realm.admin("POST", `/users/${id}/logout`)).status).toBe(204)
        expect((await realm.admin("GET", `/users/${id}/sessions`)).body).toEqual([])
        for (const tokens of [one, other])
          expect(await all(tokens)).toEqual({
            introspected: false,
            userinfo: sessionGone(),
            refreshed: refreshRefused("Session not active"),
          })
        const { notBefore } = (await realm.admin("GET", `/users/${id}`)).body
        expect(Math.abs(notBefore - Date.now() / 1000)).toBeLessThan(60)
        expect((await realm.login("otto-out")).status).toBe(200)
      })

      it("an administrator's logout leaves offline sessions, which are found with the consents and ended one by one", async () => {
        const id = await realm.createUser("olga-offline")
        const { body } = await realm.login("olga-offline", { scope: "offline_access" })
        const consents = (await realm.admin("GET", `/users/${id}/consents`)).body
        expect(consents).toMatchObject([{ clientId: "gate-app", additionalGrants: [{ client: expect.any(String) }] }])
        const path = `/users/${id}/offline-sessions/${consents[0].additionalGrants[0].client}`
        const sessions = (await realm.admin("GET", path)).body
        expect(sessions).toMatchObject([{ id: body.session_state, username: "olga-offline" }])
        await realm.admin("POST", `/users/${id}/logout`)
        expect((await realm.admin("GET", path)).body).toHaveLength(1)
        expect((await realm.admin("DELETE", `/sessions/${body.session_state}?isOffline=true`)).status).toBe(204)
        expect((await realm.admin("GET", path)).body).toEqual([])
        expect((await realm.admin("GET", `/users/${id}/consents`)).body).toEqual([])
        expect(await realm.refresh(body.refresh_token)).toMatchObject({ status: 400, body: { error: "invalid_grant" } })
        expect((await realm.admin("DELETE", `/sessions/${body.session_state}?isOffline=true`)).status).toBe(404)
      })

      it("a disabled user's session is asleep until the user is enabled again", async () => {
        const id = await realm.createUser("dirk-disabled")
        const tokens = await login("dirk-disabled")
        await realm.admin("PUT", `/users/${id}`, { enabled: false })
        expect(await all(tokens)).toEqual({
          introspected: false,
          userinfo: refusal(realm, 401, "invalid_token", "User disabled"),
          refreshed: refreshRefused("User disabled"),
        })
        await realm.admin("PUT", `/users/${id}`, { enabled: true })
        expect(await all(tokens)).toMatchObject({
          introspected: true,
          userinfo: { status: 200 },
          refreshed: { status: 200 },
        })
      })

      it("a deleted user's session is gone", async () => {
        const id = await realm.createUser("gerd-gone")
        const tokens = await login("gerd-gone")
        await realm.admin("DELETE", `/users/${id}`)
        expect(await all(tokens)).toMatchObject({
          introspected: false,
          userinfo: sessionGone(),
          refreshed: refreshRefused("Session not active"),
        })
      })
    })

    it.each([
      ["revoke", "junk", { ...as, token: "x" }, 200, "invalid_token", "Invalid token"],
      ["revoke", "no token", as, 400, "invalid_request", "Token not provided"],
      [
        "revoke",
        "a wrong secret",
        { ...as, client_secret: "x", token: "x" },
        401,
        "unauthorized_client",
        "Invalid client or Invalid client credentials",
      ],
      ["logout", "junk", { ...as, refresh_token: "x" }, 400, "invalid_grant", "Invalid refresh token"],
      [
        "logout",
        "a wrong secret",
        { ...as, client_secret: "x", refresh_token: "x" },
        401,
        "unauthorized_client",
        "Invalid client or Invalid client credentials",
      ],
    ] as const)("%s refuses %s", async (endpoint, _name, fields, status, error, error_description) => {
      const answer = await realm.post(endpoint, fields)
      expect({ status: answer.status, body: answer.body }).toEqual({ status, body: { error, error_description } })
    })

    it("revokes and logs out no token of another kind or of another client", async () => {
      const tokens = await login()
      const other = { client_id: "gate-noaud", client_secret: "gate-secret" }
      const ofId = await realm.post("revoke", { ...as, token: tokens.id_token })
      expect(ofId).toMatchObject({ status: 400, body: { error: "unsupported_token_type" } })
      const ofOther = await realm.post("revoke", { ...other, token: tokens.access_token })
      expect(ofOther).toMatchObject({ status: 400, body: { error_description: "Unmatching clients" } })
      expect(await realm.post("logout", { ...as, refresh_token: tokens.access_token })).toMatchObject(
        refreshRefused("Invalid refresh token"),
      )
      expect(await realm.post("logout", { ...other, refresh_token: tokens.refresh_token })).toMatchObject(
        refreshRefused("Invalid refresh token. Token client and authorized client don't match"),
      )
      expect((await realm.introspect(tokens.access_token)).body.active).toBe(true)
    })
  })

  describe("a realm or client whose tokens are all too old (keycloak-facts.md, Sessions)", () => {
    it("takes none that was issued before", async () => {
      const soon = Math.floor(Date.now() / 1000) + 3600
      const ofRealm = await open("not-before", file => {
        file.notBefore = soon
        const app = file.clients.find(({ clientId }) => clientId === "gate-noaud")
        Object.assign(app ?? {}, { notBefore: soon })
      })
      const { status, body } = await ofRealm.login("bob-admin", { scope: "openid" })
      expect([status, body["not-before-policy"]]).toEqual([200, soon])
      expect((await ofRealm.introspect(body.access_token)).body).toEqual(inactive)
      expect(challenge(await ofRealm.userinfo(bearer(body.access_token)))).toEqual(
        refusal(ofRealm, 401, "invalid_token", "Token verification failed"),
      )
      const refreshed = await ofRealm.refresh(body.refresh_token)
      expect(refreshed).toMatchObject({ status: 400, body: { error_description: "Stale token" } })
    })
  })
}

/** Lists whose order Keycloak does not promise, and which other cases look at. */
const unordered = { aud: "…", realm_access: "…", resource_access: "…", scope: "…" }
