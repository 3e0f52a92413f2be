import { describe, expect, it } from "vitest"
import { loginAnswer, logoutAnswer, registerAnswer } from "../../src/adapters/handlers.js"
import { GateError } from "../../src/errors.js"
import { createGate, type Gate } from "../../src/index.js"

const realGate = createGate({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" })

/** A gate whose verbs only remember what they were given. */
function makeGate(changes: Partial<Gate<unknown>> = {}) {
  const given: unknown[] = []
  const gate: Gate<unknown> = {
    ...realGate,
    async registerUser(registration, extra) {
      given.push(registration)
      if (extra !== undefined) given.push(extra)
      return { subject: "s", username: "ada", email: "ada@example.test", user: null, pending: [] }
    },
    async loginWithPassword(credentials) {
      given.push(credentials)
      const lives = { expiresInSeconds: 300, refreshExpiresInSeconds: 0 }
      return { accessToken: "a", refreshToken: "r", tokenType: "Bearer", scope: "", ...lives }
    },
    ...changes,
  }
  return { gate, given }
}

describe("registerAnswer", () => {
  it("takes nothing that a body inherits, and no __proto__ member", async () => {
    const { gate, given } = makeGate()
    const answer = registerAnswer(gate, { attributes: ["phone"] })
    await answer(JSON.parse('{"username":"ada","__proto__":{"email":"x","phone":"1"}}'), {})
    await answer(Object.create({ username: "ada", phone: "1" }), {})
    expect(given).toEqual([{ username: "ada", attributes: {} }, { attributes: {} }])
    for (const one of given) expect(Object.getPrototypeOf(one)).toBe(Object.prototype)
  })

  it("reads a body without prototype", async () => {
    const { gate, given } = makeGate()
    await registerAnswer(gate, { attributes: ["phone"] })(Object.assign(Object.create(null), { phone: "1" }), {})
    expect(given).toEqual([{ attributes: { phone: "1" } }])
  })

  it("hands an attribute named __proto__ over as an attribute", async () => {
    const { gate, given } = makeGate()
    await registerAnswer(gate, { attributes: ["__proto__"] })(JSON.parse('{"__proto__":"x"}'), {})
    const { attributes } = given[0] as { attributes: object }
    expect(Object.getOwnPropertyNames(attributes)).toEqual(["__proto__"])
  })

  it("hands over what `extra` makes of the request, once that is there", async () => {
    const { gate, given } = makeGate()
    const extra = async ({ ip }: { readonly ip: string }) => ({ ip })
    await registerAnswer(gate, { extra })({ plan: "pro" }, { ip: "127.0.0.1" })
    expect(given).toEqual([{ attributes: {} }, { ip: "127.0.0.1" }])
  })

  it("hands through what `extra` throws, and registers nobody", async () => {
    const { gate, given } = makeGate()
    const failure = new Error("no such plan")
    const answer = registerAnswer(gate, { extra: () => Promise.reject(failure) })
    await expect(answer({}, {})).rejects.toBe(failure)
    expect(given).toEqual([])
  })

  it.each([undefined, null, "route"])(
    "hands through an error where `extra` throws %j, which Express takes for none",
    async thrown => {
      const answer = registerAnswer(makeGate().gate, { extra: () => Promise.reject(thrown) })
      await expect(answer({}, {})).rejects.toMatchObject({ name: "Error", cause: thrown })
    },
  )

  it("throws config_invalid for an `extra` that is no function", () => {
    const extra = { plan: "pro" } as unknown as () => unknown
    expect(() => registerAnswer(makeGate().gate, { extra })).toThrow(
      expect.objectContaining({ code: "config_invalid" }),
    )
  })

  it.each([["phone"], [[7]], [[""]], [["password"]], [["email"]], [null]])(
    "throws config_invalid for the attributes %j when it is made",
    attributes => {
      const make = () => registerAnswer(makeGate().gate, { attributes: attributes as unknown as string[] })
      if (attributes === null) expect(make).not.toThrow()
      else expect(make).toThrow(expect.objectContaining({ code: "config_invalid" }))
    },
  )
})

describe("loginAnswer", () => {
  it.each([undefined, null, "text", 7, true, [], new Map()])("treats the body %j as an empty one", async body => {
    const { gate, given } = makeGate()
    await loginAnswer(gate, {})(body)
    expect(given).toEqual([{}])
  })

  it("hands values over unchanged, so that the core checks their types", async () => {
    const { gate, given } = makeGate()
    await loginAnswer(gate, {})({ username: { $ne: null }, password: ["p"], otp: 1 })
    expect(given).toEqual([{ username: { $ne: null }, password: ["p"], otp: 1 }])
  })
})

describe("logoutAnswer", () => {
  const error = new GateError("session_ended", "for the log")
  const { gate } = makeGate({ logout: () => Promise.reject(error) })

  it("answers an error of this library with its refusal", async () => {
    expect(await logoutAnswer(gate, {})({})).toMatchObject({ status: 401, body: { error: "session_ended" } })
  })

  it('rejects with that error when onError is "pass"', async () => {
    await expect(logoutAnswer(gate, { onError: "pass" })({})).rejects.toBe(error)
  })
})
