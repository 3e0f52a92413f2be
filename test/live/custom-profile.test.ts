import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateOptions,
  type MemoryUser,
  memoryUserStore,
  syncUsers,
} from "../../src/index.js"
import { attribute, type People, password, startPeople } from "./people.ts"

type CustomProfile = NonNullable<GateOptions<MemoryUser>["customProfile"]>

const mapper = {
  name: "plan",
  protocol: "openid-connect",
  protocolMapper: "oidc-usermodel-attribute-mapper",
  config: { "user.attribute": "plan", "claim.name": "plan", "access.token.claim": "true", "jsonType.label": "String" },
}

let people: People
beforeAll(async () => {
  people = await startPeople("shop-custom", realm => {
    const client = realm.clients.find(({ clientId }) => clientId === "shop-api")
    if (client !== undefined) client.protocolMappers = [...(client.protocolMappers as object[]), mapper]
  })
  await people.declareAttributes(attribute("plan"))
})
afterAll(() => people.close())

const fromClaims: CustomProfile["fromClaims"] = ({ plan }) => ({ plan })
const fromAccount: CustomProfile["fromAccount"] = ({ attributes }) => ({ plan: attributes.plan?.[0] })

/** A process on these rows, which knows nothing of what others have seen. */
function processOn(userStore: ReturnType<typeof memoryUserStore>, customProfile: CustomProfile): Gate<MemoryUser> {
  return createGate<MemoryUser>({ ...people.options, userStore, customProfile, onEvent: () => undefined })
}

async function customOf(gate: Gate<MemoryUser>, username: string): Promise<unknown> {
  const { accessToken } = await gate.loginWithPassword({ username, password })
  const principal = await gate.verifyBearer(`Bearer ${accessToken}`, {})
  return principal.user?.custom
}

describe("customProfile on the real server", () => {
  it("keeps an attribute in the row, from registration to sync, whoever tells of it first", async () => {
    const store = memoryUserStore()
    const gate = processOn(store, { fromClaims, fromAccount })
    const username = "custom-both"
    const names = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace" }
    const { subject, user } = await gate.registerUser({ ...names, password, attributes: { plan: "free" } })
    expect(user.custom).toEqual({ plan: "free" })
    expect(await customOf(gate, username)).toEqual({ plan: "free" })
    const { user: updated } = await gate.updateAccount(subject, { attributes: { plan: "pro" } })
    expect(updated.custom).toEqual({ plan: "pro" })
    expect(await customOf(processOn(memoryUserStore(), { fromClaims }), username)).toEqual({ plan: "pro" })
    const synced = memoryUserStore()
    const other = processOn(synced, { fromAccount })
    await syncUsers(other)
    const identity = { issuer: `${people.options.serverUrl}/realms/${people.options.realm}`, subject }
    expect(await synced.findUser(identity)).toMatchObject({ custom: { plan: "pro" } })
    // A login tells nothing of it in this process, and leaves it.
    expect(await customOf(other, username)).toEqual({ plan: "pro" })
    expect(await customOf(processOn(synced, { fromAccount }), username)).toEqual({ plan: "pro" })
  })

  it("takes the claims of a first login in the very second of the registration, which told none", async () => {
    const store = memoryUserStore()
    const gate = processOn(store, { fromClaims })
    const username = "custom-claims"
    const names = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace" }
    const { subject, user } = await gate.registerUser({ ...names, password, attributes: { plan: "pro" } })
    expect(user.custom).toEqual({})
    expect(await customOf(gate, username)).toEqual({ plan: "pro" })
    expect((await gate.updateAccount(subject, { firstName: "Augusta" })).user).toMatchObject({
      firstName: "Augusta",
      custom: { plan: "pro" },
    })
    await syncUsers(gate)
    expect(await customOf(gate, username)).toEqual({ plan: "pro" })
  })
})
