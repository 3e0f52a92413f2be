import { afterAll, describe, expect, inject, it } from "vitest"
import { createGate, type GateError, memoryUserStore } from "../../src/index.js"
import { adminFetch, changedShop, gateTest } from "./realms.ts"

const password = "Passw0rd!"
const created: string[] = []
let count = 0
const person = (changes: Record<string, unknown> = {}) => {
  const name = `reg-${process.pid}-${count++}`
  return { username: name, email: `${name}@example.test`, firstName: "Ada", lastName: "Lovelace", password, ...changes }
}
const store = memoryUserStore()
const gate = createGate({ ...gateTest(), userStore: store })

async function register(target: typeof gate, registration: ReturnType<typeof person>, extra?: unknown) {
  const registered = await target.registerUser(registration, extra)
  created.push(registered.subject)
  return registered
}
const refusal = (work: Promise<unknown>): Promise<GateError> =>
  work.then(
    () => expect.unreachable("it was accepted"),
    error => error,
  )
async function accountsNamed(username: string, realm = "gate-test"): Promise<Record<string, unknown>[]> {
  const answer = await adminFetch(
    "GET",
    `/realms/${realm}/users?exact=true&username=${encodeURIComponent(username)}&briefRepresentation=false`,
  )
  return (await answer.json()) as Record<string, unknown>[]
}

afterAll(async () => {
  for (const subject of created) await adminFetch("DELETE", `/realms/gate-test/users/${subject}`)
})

describe("registerUser on the real server", () => {
  it("makes an account that can log in, and its row", async () => {
    const ada = person()
    const registered = await register(gate, ada, { plan: "pro" })
    expect(registered).toMatchObject({ username: ada.username, email: ada.email, pending: [] })
    const identity = { issuer: `${inject("keycloak").url}/realms/gate-test`, subject: registered.subject }
    expect(await store.findUser(identity)).toEqual(registered.user)
    expect(registered.user).toMatchObject({
      ...identity,
      firstName: "Ada",
      lastName: "Lovelace",
      emailVerified: false,
      extra: { plan: "pro" },
    })

    const session = await gate.loginWithPassword({ username: ada.username, password })
    const principal = await gate.verifyBearer(`Bearer ${session.accessToken}`, {})
    expect(principal).toMatchObject({ subject: registered.subject, user: { extra: { plan: "pro" } } })
  })

  it("folds username and e-mail as Keycloak stores them", async () => {
    const ada = person({ username: `REG-Ünï-${process.pid}`, email: `REG.X${process.pid}@Example.Test` })
    const { subject, username, email } = await register(gate, ada)
    const [account] = await accountsNamed(username)
    expect(account).toMatchObject({ id: subject, username, email })
  })

  it.each(["__proto__", "constructor", "ａlice", "straße"])("takes the legal username %s", async username => {
    const registered = await register(gate, person({ username }))
    expect(
      (await store.findUser({ issuer: `${inject("keycloak").url}/realms/gate-test`, subject: registered.subject }))
        ?.username,
    ).toBe(username)
  })

  it("tells which name is taken where Keycloak does", async () => {
    const ada = person()
    await register(gate, ada)
    expect(await refusal(gate.registerUser(person({ username: ada.username.toUpperCase() })))).toMatchObject({
      code: "user_exists",
      status: 409,
      field: "username",
    })
    expect(await refusal(gate.registerUser(person({ email: ada.email.toUpperCase() })))).toMatchObject({
      code: "user_exists",
      field: "email",
    })
  })

  it.each([
    ["a short password", { password: "Ab1" }, [{ field: "password", rule: "invalidPasswordMinLengthMessage" }]],
    [
      "a password without digit",
      { password: "abcdefghij" },
      [{ field: "password", rule: "invalidPasswordMinDigitsMessage" }],
    ],
    ["a bad e-mail", { email: "nope" }, [{ field: "email", rule: "error-invalid-email" }]],
    ["a short username", { username: "ab" }, [{ field: "username", rule: "error-invalid-length", params: [3, 255] }]],
    [
      "several at once",
      { username: "a b", firstName: "<b>" },
      [
        { field: "username", rule: "error-username-invalid-character" },
        { field: "firstName", rule: "error-person-name-invalid-character" },
      ],
    ],
    ["a service account's name", { username: "Service-Account-x" }, [{ field: "username", rule: "reserved_prefix" }]],
  ])("names the rule that refuses %s, and echoes nothing", async (_, changes, fields) => {
    const error = await refusal(gate.registerUser(person(changes)))
    expect(error).toMatchObject({ code: "registration_rejected", status: 422 })
    expect(error.fields).toHaveLength(fields.length)
    expect(error.fields).toEqual(expect.arrayContaining(fields.map(field => expect.objectContaining(field))))
    expect(JSON.stringify([error, error.message])).not.toContain("example.test")
  })

  it("leaves no account when the store fails, and hands through the store's own error", async () => {
    const failure = new Error("disk full")
    const ada = person()
    const failing = createGate({ ...gateTest(), userStore: { ...store, saveUser: () => Promise.reject(failure) } })
    await expect(failing.registerUser(ada)).rejects.toBe(failure)
    expect(await accountsNamed(ada.username)).toEqual([])
    await register(gate, ada)
  })

  it("gives what the application gives every account, and refuses what Keycloak does not have", async () => {
    const registration = {
      groups: ["/staff"],
      realmRoles: ["app-user"],
      attributes: { source: "web" },
      emailVerified: true,
      requiredActions: ["UPDATE_PASSWORD"],
    }
    const giving = createGate({ ...gateTest(), userStore: store, registration })
    const ada = person({ attributes: { source: "forged", phone: "123" } })
    const { subject, pending } = await register(giving, ada)
    expect(pending).toEqual(["UPDATE_PASSWORD"])
    const [account] = await accountsNamed(ada.username)
    expect(account).toMatchObject({
      emailVerified: true,
      requiredActions: ["UPDATE_PASSWORD"],
      attributes: { source: ["web"], phone: ["123"] },
    })
    const groups = await (await adminFetch("GET", `/realms/gate-test/users/${subject}/groups`)).json()
    expect(groups).toMatchObject([{ path: "/staff" }])
    const roles = await (await adminFetch("GET", `/realms/gate-test/users/${subject}/role-mappings/realm`)).json()
    expect(roles).toContainEqual(expect.objectContaining({ name: "app-user" }))

    const wrong = createGate({ ...gateTest(), userStore: store, registration: { realmRoles: ["no-such-role"] } })
    const bob = person()
    expect(await refusal(wrong.registerUser(bob))).toMatchObject({ code: "keycloak_refused_us" })
    expect(await accountsNamed(bob.username)).toEqual([])
  })

  it("takes nothing from a registration but its named fields", async () => {
    const ada = person({
      enabled: false,
      emailVerified: true,
      realmRoles: ["app-admin"],
      groups: ["/staff"],
      requiredActions: ["UPDATE_PASSWORD"],
      id: "x",
    })
    const { subject } = await register(gate, ada)
    const [account] = await accountsNamed(ada.username)
    expect(account).toMatchObject({ id: subject, enabled: true, emailVerified: false, requiredActions: [] })
  })

  it("refuses a person whom a required attribute would keep out, and attributes that would be dropped", async () => {
    const options = await changedShop("shop-profile", () => undefined)
    const profile = (await (await adminFetch("GET", "/realms/shop-profile/users/profile")).json()) as {
      attributes: unknown[]
    }
    const phone = {
      name: "phone",
      required: { roles: ["user"] },
      permissions: { view: ["admin", "user"], edit: ["admin", "user"] },
    }
    await adminFetch("PUT", "/realms/shop-profile/users/profile", {
      ...profile,
      attributes: [...profile.attributes, phone],
    })
    const shop = createGate({ ...options, userStore: memoryUserStore() })
    expect(await refusal(shop.registerUser(person()))).toMatchObject({
      code: "registration_rejected",
      fields: [{ field: "phone", rule: "required", params: [] }],
    })
    expect(await refusal(shop.registerUser(person({ attributes: { phone: "1", shoeSize: "42" } })))).toMatchObject({
      code: "keycloak_refused_us",
    })
    const ada = person({ attributes: { phone: "123" } })
    await shop.registerUser(ada)
    await shop.loginWithPassword({ username: ada.username, password })
  })

  it("follows a realm that uses the e-mail as username", async () => {
    const options = await changedShop("shop-mail", realm => {
      realm.registrationEmailAsUsername = true
    })
    const shop = createGate({ ...options, userStore: memoryUserStore() })
    const { username: _, ...ada } = person()
    expect(await shop.registerUser(ada)).toMatchObject({ username: ada.email, email: ada.email })
    expect(await refusal(shop.registerUser({ ...person(), username: "other" }))).toMatchObject({
      code: "registration_rejected",
      fields: [{ field: "username", rule: "must_equal_email" }],
    })
    const again = await refusal(shop.registerUser(ada))
    expect(again.code).toBe("user_exists")
  })

  it("tells that the e-mail has to be verified first, where its service account may read that", async () => {
    const pending = async (name: string, roles: string[]) => {
      const options = await changedShop(name, realm => {
        realm.verifyEmail = true
        for (const user of realm.users)
          if (user.serviceAccountClientId) user.clientRoles = { "realm-management": roles }
      })
      return (await createGate({ ...options, userStore: memoryUserStore() }).registerUser(person())).pending
    }
    expect(await pending("shop-verify", ["manage-users", "view-realm"])).toEqual(["VERIFY_EMAIL"])
    expect(await pending("shop-verify-unread", ["manage-users"])).toEqual([])
  })

  it("needs the username where the realm does not use the e-mail", async () => {
    const { username: _, ...ada } = person()
    expect(await refusal(gate.registerUser(ada))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "username", rule: "required" }],
    })
  })

  it("says that a public client can't register anybody", async () => {
    const { clientSecret: _, ...open } = { ...gateTest(), clientId: "gate-public" }
    expect(await refusal(createGate(open).registerUser(person()))).toMatchObject({ code: "config_invalid" })
  })

  it("registers through another service account", async () => {
    const options = {
      ...gateTest(),
      clientId: "gate-api",
      admin: { clientId: "gate-admin", clientSecret: "gate-secret" },
    }
    await register(createGate({ ...options, userStore: store }), person())
  })

  it("registers several people at once", async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => register(gate, person())))
    expect(new Set(people.map(({ subject }) => subject)).size).toBe(5)
  })
})
