import { describe, expectTypeOf, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateOptions,
  type MemoryUser,
  memoryUserStore,
  optionsFromEnv,
  type UserStore,
} from "../../src/index.js"

const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
const onEvent: GateOptions<unknown>["onEvent"] = () => undefined
interface Row {
  readonly id: number
}
declare const maybe: UserStore<Row> | undefined
declare const whole: GateOptions<Row>

describe("the row of a gate", () => {
  it("is that of its user store", () => {
    expectTypeOf(createGate({ ...options, userStore: memoryUserStore() })).toEqualTypeOf<Gate<MemoryUser>>()
    expectTypeOf(createGate({ ...optionsFromEnv({}), userStore: memoryUserStore() })).toEqualTypeOf<Gate<MemoryUser>>()
    const withListener = createGate({ ...options, userStore: memoryUserStore(), onEvent: event => event.type })
    expectTypeOf(withListener).toEqualTypeOf<Gate<MemoryUser>>()
    const ownStore = createGate({
      ...options,
      userStore: {
        findUser: async ({ subject }) => ({ id: subject.length }),
        saveUser: async ({ subject }) => ({ id: subject.length }),
        removeUser: async () => undefined,
      },
    })
    expectTypeOf(ownStore).toEqualTypeOf<Gate<{ id: number }>>()
  })

  it("is null without one, and may be null where there may be none", () => {
    expectTypeOf(createGate(options)).toEqualTypeOf<Gate<null>>()
    expectTypeOf(createGate({ ...options, userStore: undefined })).toEqualTypeOf<Gate<null>>()
    expectTypeOf(createGate({ ...options, onEvent: event => event.type })).toEqualTypeOf<Gate<null>>()
    expectTypeOf(createGate({ ...options, onEvent })).toEqualTypeOf<Gate<null>>()
    expectTypeOf(createGate({ ...options, userStore: maybe })).toEqualTypeOf<Gate<Row | null>>()
    expectTypeOf(createGate(whole)).toEqualTypeOf<Gate<Row | null>>()
  })

  it("is what a type argument says", () => {
    const userStore: UserStore<Row> = {
      findUser: async () => null,
      saveUser: async () => ({ id: 1 }),
      async removeUser() {},
    }
    expectTypeOf(createGate<Row>({ ...options, userStore })).toEqualTypeOf<Gate<Row>>()
    expectTypeOf(createGate<Row | null>({ ...options, userStore: maybe })).toEqualTypeOf<Gate<Row | null>>()
    // @ts-expect-error: a store of other rows
    createGate<{ readonly name: string }>({ ...options, userStore })
  })
})

describe("createGate", () => {
  it("takes no option that there is none of, in a literal or in a variable, at the top or within another one", () => {
    // @ts-expect-error
    createGate({ ...options, secret: "x" })
    const spelled = { ...options, clientsecret: "x" }
    // @ts-expect-error
    createGate(spelled)
    // @ts-expect-error
    createGate({ ...options, keySet: { maxAge: 600 } })
    // @ts-expect-error
    createGate<Row>({ ...options, secret: "x" })
  })

  it("takes no value of the wrong type", () => {
    // @ts-expect-error
    createGate({ ...options, timeoutMs: "5000" })
    // @ts-expect-error
    createGate({ ...options, verification: "remote" })
    // @ts-expect-error
    createGate({ ...options, userStore: { findUser: async () => null } })
    // @ts-expect-error
    createGate({ ...options, onEvent: "log" })
    // @ts-expect-error
    createGate({ serverUrl: "https://sso.example.test", realm: "shop" })
    // @ts-expect-error
    createGate()
  })
})
