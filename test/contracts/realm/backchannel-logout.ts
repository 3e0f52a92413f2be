import { createServer } from "node:http"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type Listening, listen } from "../../adapters/listen.js"
import type { OpenRealm } from "./open-realms.ts"
import { claimsOf, gateApp, headerOf, type Realm, type RealmClient } from "./realm-client.ts"

const member = "http://schemas.openid.net/event/backchannel-logout"

interface Heard {
  readonly path: string
  readonly type: string
  readonly token: string
  /** What the realm says meanwhile of a token of the session that ends. */
  readonly meanwhile: number | null
}

export function describeBackchannelLogout(open: OpenRealm): void {
  describe("logout tokens (keycloak-facts.md, Back-channel logout)", () => {
    let realm: RealmClient
    let receiver: Listening
    let heard: Heard[]
    let status: number
    let looksAt: string | null

    beforeAll(async () => {
      receiver = await listen(
        createServer(async (request, response) => {
          const body = Buffer.concat(await request.toArray()).toString()
          const meanwhile = looksAt === null ? null : (await userinfo(looksAt)).status
          const token = new URLSearchParams(body).get("logout_token") ?? ""
          heard.push({ path: String(request.url), type: String(request.headers["content-type"]), token, meanwhile })
          response.writeHead(status).end()
        }),
      )
      realm = await open("backchannel", file => {
        file.bruteForceProtected = false
        const app = file.clients.find(({ clientId }) => clientId === "gate-app")
        if (app === undefined) throw new Error("there is no gate-app")
        const clients: [string, Record<string, string>][] = [
          ["gate-app", { "backchannel.logout.session.required": "true" }],
          ["gate-person", { "backchannel.logout.revoke.offline.tokens": "true" }],
          ["gate-secretly", { "id.token.signed.response.alg": "HS256" }],
          ["gate-es", { "id.token.signed.response.alg": "ES256", "backchannel.logout.session.required": "false" }],
        ]
        file.clients = [
          ...file.clients.filter(one => one !== app),
          ...clients.map(([clientId, attributes]) => ({
            ...withoutIds(app),
            clientId,
            attributes: { ...app.attributes, "backchannel.logout.url": `${receiver.url}/${clientId}`, ...attributes },
          })),
        ]
      })
    })
    beforeEach(() => {
      heard = []
      status = 200
      looksAt = null
    })
    afterAll(() => receiver.close())

    const userinfo = (token: string) => realm.userinfo({ authorization: `Bearer ${token}` })
    const login = async (id = "gate-app") => {
      const more = { scope: "openid" }
      return (await realm.login("bob-admin", more, { id, secret: "gate-secret" })).body as {
        access_token: string
        refresh_token: string
      }
    }
    const logOut = (refresh_token: string, client_id = gateApp.id) =>
      realm.post("logout", { client_id, client_secret: "gate-secret", refresh_token })

    it("go to the client of the session once, as a form, before the session has ended", async () => {
      const { access_token, refresh_token } = await login()
      looksAt = access_token
      expect((await logOut(refresh_token)).status).toBe(204)
      expect(heard).toMatchObject([{ path: "/gate-app", type: "application/x-www-form-urlencoded", meanwhile: 200 }])
      expect((await userinfo(access_token)).status).toBe(401)
      const token = heard[0]?.token ?? ""
      expect(headerOf(token)).toEqual({ alg: "RS256", typ: "logout+jwt", kid: expect.any(String) })
      const { iss, sub, sid } = claimsOf(access_token)
      expect(claimsOf(token)).toEqual({
        exp: expect.any(Number),
        iat: expect.any(Number),
        jti: expect.any(String),
        iss,
        aud: "gate-app",
        sub,
        typ: "Logout",
        sid,
        events: { [member]: {} },
      })
      expect(Number(claimsOf(token).exp) - Number(claimsOf(token).iat)).toBe(120)
    })

    it.each([
      ["gate-person", "RS256", { [member]: {}, revoke_offline_access: true }],
      ["gate-es", "ES256", { [member]: {} }],
      ["gate-secretly", "HS256", { [member]: {} }],
    ])("name only the person to %s, and are signed with %s", async (id, alg, events) => {
      const { refresh_token } = await login(id)
      expect((await logOut(refresh_token, id)).status).toBe(204)
      const token = heard[0]?.token ?? ""
      expect(headerOf(token)).toMatchObject({ alg, typ: "logout+jwt" })
      expect(claimsOf(token)).toMatchObject({ aud: id, events })
      expect(claimsOf(token)).not.toHaveProperty("sid")
    })

    it.each([302, 400, 500])("are sent once, also to a receiver that answers %i", async answer => {
      status = answer
      const { access_token, refresh_token } = await login()
      expect((await logOut(refresh_token)).status).toBe(204)
      expect(heard).toHaveLength(1)
      expect((await userinfo(access_token)).status).toBe(401)
    })

    it("tell of each session that an administrator ends, all or one, and of none that a lock or a new password leaves", async () => {
      const id = await realm.createUser("lovelace")
      const begin = async () =>
        String(claimsOf((await realm.login("lovelace", { scope: "openid" })).body.access_token).sid)
      const sessions = [await begin(), await begin()]
      expect((await realm.admin("POST", `/users/${id}/logout`)).status).toBe(204)
      expect(heard.map(({ token }) => claimsOf(token).sid).sort()).toEqual(sessions.sort())
      const third = await begin()
      expect((await realm.admin("DELETE", `/sessions/${third}?isOffline=false`)).status).toBe(204)
      expect(heard.slice(2).map(({ token }) => claimsOf(token).sid)).toEqual([third])
      await begin()
      const account = (await realm.admin("GET", `/users/${id}`)).body
      const password = { type: "password", value: "Another-1!", temporary: false }
      expect((await realm.admin("PUT", `/users/${id}/reset-password`, password)).status).toBe(204)
      expect((await realm.admin("PUT", `/users/${id}`, { ...account, enabled: false })).status).toBe(204)
      expect((await realm.admin("DELETE", `/users/${id}`)).status).toBe(204)
      expect(heard).toHaveLength(3)
    })
  })
}

/** Ids are unique in a realm. */
function withoutIds({ id: _, protocolMappers, ...client }: Realm["clients"][number]): Realm["clients"][number] {
  const mappers = (protocolMappers ?? []) as { id?: string }[]
  return { ...client, protocolMappers: mappers.map(({ id: _id, ...mapper }) => mapper) } as Realm["clients"][number]
}
