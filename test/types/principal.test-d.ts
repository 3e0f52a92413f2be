import { describe, expectTypeOf, it } from "vitest"
import {
  type Claims,
  createGate,
  type Gate,
  type MemoryUser,
  memoryUserStore,
  type Principal,
  type Requirements,
} from "../../src/index.js"

const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
declare const principal: Principal<MemoryUser>

describe("Principal", () => {
  it("has a row for a person and null for a client", () => {
    if (principal.kind === "user") expectTypeOf(principal.user).toEqualTypeOf<MemoryUser>()
    else expectTypeOf(principal.user).toEqualTypeOf<null>()
  })

  it("is read-only", () => {
    // @ts-expect-error
    principal.subject = "somebody else"
    // @ts-expect-error
    principal.realmRoles.push("admin")
    // @ts-expect-error
    principal.claims.sub = "somebody else"
  })

  it("can't be made from an object literal, and neither can claims", () => {
    // @ts-expect-error: the mark of a verified token is missing
    const claims: Claims = { iss: "i", sub: "s", exp: 1 }
    expectTypeOf<{ iss: string; sub: string; exp: number }>().not.toExtend<Claims>()
    return claims
  })
})

describe("verifyBearer", () => {
  const gate = createGate({ ...options, userStore: memoryUserStore() })

  it("may answer null without requirements, and never with them", () => {
    expectTypeOf(gate.verifyBearer(undefined)).resolves.toBeNullable()
    expectTypeOf(gate.verifyBearer(["a"], {})).resolves.not.toBeNullable()
  })

  it("refuses undefined as requirements", () => {
    // @ts-expect-error: would be config_invalid
    gate.verifyBearer("", undefined)
  })
})

describe("createGate", () => {
  it("has the row type of its user store, and null without one", () => {
    expectTypeOf(createGate(options)).toEqualTypeOf<Gate<null>>()
    expectTypeOf(createGate({ ...options, userStore: memoryUserStore() })).toEqualTypeOf<Gate<MemoryUser>>()
  })

  it("takes undefined for what process.env may lack", () => {
    const missing: string | undefined = undefined
    createGate({ ...options, clientSecret: missing, internalUrl: missing })
    // @ts-expect-error: there is no such option
    createGate({ ...options, secret: "x" })
  })
})

describe("algorithms", () => {
  it("are those of the realm's public keys: a shared secret and none are not among them", () => {
    createGate({ ...options, algorithms: ["RS256", "ES512", "EdDSA"] })
    // @ts-expect-error: whoever verifies it could sign it
    createGate({ ...options, algorithms: ["HS256"] })
    // @ts-expect-error: no signature
    createGate({ ...options, algorithms: ["none"] })
  })
})

describe("Requirements", () => {
  it("take read-only lists and undefined", () => {
    expectTypeOf<{ readonly realmRoles: readonly ["a"]; readonly scopes: undefined }>().toExtend<Requirements>()
  })
})
