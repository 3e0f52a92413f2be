import { beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { refusalOf } from "../support/refusal-of.ts"
import { realmsOf } from "./realm/open-realms.ts"
import { claimsOf, client, type RealmClient, type RealmHost } from "./realm/realm-client.ts"

const nobody = "00000000-0000-4000-8000-000000000000"

/** `gate.sessions` and `gate.endSession`, for the test realm and the real server. */
export function describeAccountSessions(name: string, host: RealmHost): void {
  describe(`the sessions of a person on ${name}`, () => {
    const open = realmsOf(host)
    let realm: RealmClient
    let gate: Gate<null>
    beforeAll(async () => {
      realm = await open("account-sessions", file => {
        file.bruteForceProtected = false
      })
      const { url: serverUrl, realm: name } = realm
      const secret = { clientId: "gate-app", clientSecret: "gate-secret" }
      gate = createGate({ serverUrl, realm: name, ...secret, timeoutMs: 60_000, onEvent: () => undefined })
    })

    let people = 0
    async function newPerson() {
      const username = `session-${people++}`
      return { username, id: await realm.createUser(username) }
    }
    interface Tokens {
      readonly access_token: string
      readonly refresh_token: string
    }
    const logIn = async (username: string, clientId = "gate-app", scope = "openid"): Promise<Tokens> =>
      (await realm.login(username, { scope }, client(clientId))).body
    const sidOf = ({ access_token }: Tokens) => String(claimsOf(access_token).sid)
    const isAlive = async ({ refresh_token }: Tokens, clientId = "gate-app") =>
      (await realm.refresh(refresh_token, client(clientId))).status === 200

    it("are listed with their ids, times, address and clients", async () => {
      const before = Math.floor(Date.now() / 1000) * 1000
      const { username, id } = await newPerson()
      const [one, other] = [await logIn(username), await logIn(username, "gate-noaud")]
      const found = await gate.sessions(id)
      const shown = found.map(({ id, clients, offline, ipAddress }) => ({ id, clients, offline, ipAddress }))
      expect(shown).toHaveLength(2)
      expect(shown).toEqual(
        expect.arrayContaining([
          { id: sidOf(one), clients: ["gate-app"], offline: false, ipAddress: "127.0.0.1" },
          { id: sidOf(other), clients: ["gate-noaud"], offline: false, ipAddress: "127.0.0.1" },
        ]),
      )
      for (const { startedAt, lastSeenAt } of found) {
        for (const time of [startedAt, lastSeenAt].map(Number)) {
          expect(time).toBeGreaterThanOrEqual(before)
          expect(time).toBeLessThanOrEqual(Date.now())
        }
      }
      expect(Object.isFrozen(found) && found.every(Object.isFrozen)).toBe(true)
    })

    it("are listed with the offline ones, which are told apart", async () => {
      const { username, id } = await newPerson()
      const [online, offline] = [await logIn(username), await logIn(username, "gate-app", "openid offline_access")]
      const found = new Map((await gate.sessions(id)).map(one => [one.id, one]))
      expect(found.get(sidOf(online))).toMatchObject({ offline: false, clients: ["gate-app"] })
      expect(found.get(sidOf(offline))).toMatchObject({ offline: true, clients: ["gate-app"] })
      expect(found.size).toBe(2)
    })

    it("are none for an account without any, and for an account that does not exist", async () => {
      expect(await gate.sessions((await newPerson()).id)).toEqual([])
      expect(await gate.sessions(nobody)).toEqual([])
    })

    it.each(["openid", "openid offline_access"])("end one by one (scope %s)", async scope => {
      const { username, id } = await newPerson()
      const [one, other] = [await logIn(username, "gate-app", scope), await logIn(username, "gate-app", scope)]
      await gate.endSession(id, sidOf(one))
      expect((await gate.sessions(id)).map(({ id }) => id)).toEqual([sidOf(other)])
      expect([await isAlive(one), await isAlive(other)]).toEqual([false, true])
    })

    it("are not ended by somebody else's subject, nor by an id that nobody has", async () => {
      const [ada, bob] = [await newPerson(), await newPerson()]
      const tokens = await logIn(ada.username)
      await logIn(bob.username)
      for (const [subject, session] of [
        [bob.id, sidOf(tokens)],
        [nobody, sidOf(tokens)],
        [ada.id, "nobody-has-this"],
      ] as const) {
        const refusal = await refusalOf(gate.endSession(subject, session))
        expect(refusal).toMatchObject({ code: "invalid_request", fields: [{ field: "id", rule: "unknown" }] })
      }
      expect(await isAlive(tokens)).toBe(true)
    })

    it("can end at once by several calls", async () => {
      const { username, id } = await newPerson()
      const tokens = await logIn(username)
      const ends = await Promise.allSettled([1, 2, 3].map(() => gate.endSession(id, sidOf(tokens))))
      expect(ends.some(({ status }) => status === "fulfilled")).toBe(true)
      for (const end of ends) if (end.status === "rejected") expect(end.reason.code).toBe("invalid_request")
      expect(await isAlive(tokens)).toBe(false)
    })
  })
}
