import { beforeAll, describe, expect, it } from "vitest"
import { createGate, type GateEvent, memoryUserStore, type VerificationMode } from "../../src/index.js"
import { realmsOf } from "./realm/open-realms.ts"
import { client, type RealmClient, type RealmHost } from "./realm/realm-client.ts"

export function audienceMapper(clientId: string): Record<string, unknown> {
  return {
    name: `to ${clientId}`,
    protocol: "openid-connect",
    protocolMapper: "oidc-audience-mapper",
    config: {
      "included.client.audience": clientId,
      "access.token.claim": "true",
      "introspection.token.claim": "true",
    },
  }
}

const base = {
  enabled: true,
  secret: "gate-secret",
  serviceAccountsEnabled: true,
  directAccessGrantsEnabled: true,
  protocolMappers: [audienceMapper("gate-app")],
}
// "Use refresh tokens for client credentials grant": it gives a client's own token a session.
const session = { "client_credentials.use_refresh_token": "true" }
const light = { "client.use.lightweight.access.token.enabled": "true" }

/** Whether a person or a client asks, in every mode and of every kind of client: for the test realm and the real server. */
export function describeWhoAsks(name: string, host: RealmHost): void {
  describe(`who asks, with tokens of ${name}`, () => {
    const open = realmsOf(host)
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("who-asks", file => {
        file.bruteForceProtected = false
        file.clients.push(
          { clientId: "Cron-Plain", ...base },
          { clientId: "Cron-Session", ...base, attributes: session },
          { clientId: "cron-brought", ...base },
          { clientId: "cron-session-brought", ...base, attributes: session },
          { clientId: "cron-light", ...base, attributes: light },
          { clientId: "cron-session-light", ...base, attributes: { ...session, ...light } },
          { clientId: "cron-session-light-brought", ...base, attributes: { ...session, ...light } },
        )
        // An account that the file brings: Keycloak then leaves its client without the scope `service_account`.
        for (const clientId of ["cron-brought", "cron-session-brought", "cron-session-light-brought"])
          file.users.push({ username: `service-account-${clientId}`, enabled: true, serviceAccountClientId: clientId })
      })
    })

    const ofItself = async (id: string) =>
      (await realm.token({ grant_type: "client_credentials", scope: "openid" }, client(id))).body
    const refreshed = async (id: string) =>
      (await realm.refresh((await ofItself(id)).refresh_token, client(id))).body.access_token

    function gateOf(mode: VerificationMode, audience: string | null = "gate-app") {
      const store = memoryUserStore()
      const events: GateEvent[] = []
      const gate = createGate({
        serverUrl: realm.url,
        realm: realm.realm,
        clientId: "gate-app",
        clientSecret: "gate-secret",
        audience,
        verification: mode,
        timeoutMs: 60_000,
        userStore: store,
        onEvent: event => events.push(event),
      })
      return { gate, store, events }
    }

    const modes: VerificationMode[] = ["local", "introspection", "userinfo"]
    const services = ["Cron-Plain", "Cron-Session", "cron-brought"]
    describe.each(modes)("and verification %s", mode => {
      const ofService = [
        ...services.map(id => [id, async () => (await ofItself(id)).access_token] as const),
        ["Cron-Session, refreshed", () => refreshed("Cron-Session")] as const,
        ...(mode === "introspection"
          ? [
              ["cron-light", async () => (await ofItself("cron-light")).access_token] as const,
              ["cron-session-light", async () => (await ofItself("cron-session-light")).access_token] as const,
              ["cron-session-light, refreshed", () => refreshed("cron-session-light")] as const,
            ]
          : []),
      ]
      it.each(ofService)(
        "a client itself is a service without a row, which no guard for people lets in (%s)",
        async (id, take) => {
          const { gate, store } = gateOf(mode)
          const header = `Bearer ${await take()}`
          const principal = await gate.verifyBearer(header, { kind: "service" })
          const username = `service-account-${id.replace(/,.*/, "").toLowerCase()}`
          expect(principal).toMatchObject({ kind: "service", username, user: null })
          expect(await store.findUser(principal)).toBeNull()
          await expect(gate.verifyBearer(header, {})).rejects.toMatchObject({ code: "insufficient_scope" })
        },
      )

      it.each(["Cron-Plain", "Cron-Session", ...(mode === "introspection" ? ["cron-session-light"] : [])])(
        "a person is a person with a row, also at a client that acts on its own too (%s)",
        async id => {
          const { gate, store } = gateOf(mode)
          const { body } = await realm.login("bob-admin", { scope: "openid" }, client(id))
          const principal = await gate.verifyBearer(`Bearer ${body.access_token}`, {})
          expect(principal).toMatchObject({ kind: "user", username: "bob-admin", user: { username: "bob-admin" } })
          expect(await store.findUser(principal)).toMatchObject({ username: "bob-admin" })
        },
      )

      it.each(["cron-session-brought", ...(mode === "introspection" ? ["cron-session-light-brought"] : [])])(
        "who may be either is refused, and told with the mend (%s)",
        async id => {
          const { gate, store, events } = gateOf(mode)
          const { access_token } = await ofItself(id)
          const { sub } = (await realm.introspect(access_token)).body
          const refusal = gate.verifyBearer(`Bearer ${access_token}`, { kind: "any" })
          await expect(refusal).rejects.toMatchObject({ code: "invalid_token", reason: "claims", status: 401 })
          await expect(refusal).rejects.toThrow(`Clients → ${id} → Client scopes → Add client scope → service_account`)
          expect(events).toMatchObject([{ type: "refusal", error: { code: "invalid_token", reason: "claims" } }])
          expect(await store.findUser({ issuer: realm.issuer, subject: sub })).toBeNull()
        },
      )
    })

    it("a client's own lightweight token is no person where nobody asks what it lacks", async () => {
      const { access_token } = await ofItself("cron-light")
      const principal = await gateOf("local", null).gate.verifyBearer(`Bearer ${access_token}`, { kind: "any" })
      expect(principal).toMatchObject({ kind: "service", user: null })
    })
  })
}
