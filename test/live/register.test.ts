import { once } from "node:events"
import express from "express"
import { SMTPServer } from "smtp-server"
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest"
import { registerHandler } from "../../src/adapters/express.js"
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

describe("registerUser on the real server", { timeout: 180_000 }, () => {
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
    expect(error).toMatchObject({ code: "account_rejected", status: 422 })
    expect(error.fields).toHaveLength(fields.length)
    expect(error.fields).toEqual(expect.arrayContaining(fields.map(field => expect.objectContaining(field))))
    expect(JSON.stringify([error, error.message])).not.toContain("example.test")
  })

  it("refuses somebody else's e-mail as a username, which Keycloak itself takes", async () => {
    const [ada, eve] = [person(), person()]
    for (const username of [eve.email, eve.email.toUpperCase(), eve.email.replace("@", "\uff20")]) {
      const fields = [{ field: "username", rule: "must_equal_email", params: [] }]
      expect(await refusal(gate.registerUser({ ...ada, username }))).toMatchObject({ fields })
    }
    await register(gate, { ...ada, username: ada.email.toUpperCase() })

    const registration = { allowEmailLikeUsernames: true }
    const liberal = createGate({ ...gateTest(), registration, userStore: memoryUserStore() })
    await register(liberal, { ...person(), username: eve.email })
    expect((await refusal(liberal.registerUser(eve))).code).toBe("user_exists")
    await register(liberal, { ...person(), username: person().email.replace("@", "\uff20") })
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

  it("names the group that Keycloak does not have, and leaves nothing", async () => {
    const events: string[] = []
    const registration = { groups: ["/staff", "/no such group"] }
    const options = {
      ...gateTest(),
      userStore: store,
      registration,
      onEvent: ({ type }: { type: string }) => events.push(type),
    }
    const bob = person()
    const error = await refusal(createGate(options).registerUser(bob))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
    expect(error.message).toContain("/no such group")
    expect(events).toEqual(["refusal"])
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
      code: "account_rejected",
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
      code: "account_rejected",
      fields: [{ field: "username", rule: "must_equal_email" }],
    })
    const again = await refusal(shop.registerUser(ada))
    expect(again.code).toBe("user_exists")
  })

  it("tells which steps the realm asks of every new account, where its service account may read that", async () => {
    const options = await changedShop("shop-steps", realm => {
      for (const user of realm.users)
        if (user.serviceAccountClientId) user.clientRoles = { "realm-management": ["manage-users", "view-realm"] }
    })
    const path = "/realms/shop-steps/authentication/required-actions/CONFIGURE_TOTP"
    const action = (await (await adminFetch("GET", path)).json()) as object
    await adminFetch("PUT", path, { ...action, defaultAction: true })
    const shop = createGate({ ...options, userStore: memoryUserStore() })
    const ada = person()
    expect((await shop.registerUser(ada)).pending).toEqual(["CONFIGURE_TOTP"])
    expect(await accountsNamed(ada.username, "shop-steps")).toMatchObject([{ requiredActions: ["CONFIGURE_TOTP"] }])
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

  it.each([
    ["ahead", 3],
    ["behind", -3],
  ])("dates account and row by Keycloak's clock where this machine's is hours %s", async (_, hours) => {
    const others = createGate({ ...gateTest(), userStore: store })
    const began = Date.now()
    vi.useFakeTimers({ toFake: ["Date"], now: began + hours * 3_600_000 })
    const ada = person()
    const { user } = await register(others, ada).finally(() => vi.useRealTimers())
    const [account] = await accountsNamed(ada.username)
    expect(user.asOf.getTime()).toBe(account?.createdTimestamp)
    expect(user.asOf.getTime()).toBeLessThanOrEqual(Date.now())
    // A minute over which stamps are spread, and the seconds in which tokens count.
    expect(user.asOf.getTime()).toBeGreaterThan(began - 62_000)
    await adminFetch("PUT", `/realms/gate-test/users/${user.subject}`, { firstName: "Augusta" })
    const { accessToken } = await gate.loginWithPassword({ username: ada.username, password })
    expect((await gate.verifyBearer(`Bearer ${accessToken}`, {})).user).toMatchObject({ firstName: "Augusta" })
  })

  it("registers several people at once", async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => register(gate, person())))
    expect(new Set(people.map(({ subject }) => subject)).size).toBe(5)
  })
})

describe("registration.onboarding", { timeout: 180_000 }, () => {
  const registration = { onboarding: "verify-email" } as const
  const mails: { readonly to: string; readonly text: string; readonly hasRow: boolean }[] = []
  const rows = memoryUserStore()
  let saved = 0
  const counting = {
    ...rows,
    async saveUser(...parameters: Parameters<typeof rows.saveUser>) {
      const row = await rows.saveUser(...parameters)
      saved += 1
      return row
    },
  }
  const mailServer = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(stream, { envelope }, done) {
      stream.toArray().then(chunks => {
        const to = String(envelope.rcptTo[0]?.address)
        mails.push({ to, text: Buffer.concat(chunks).toString(), hasRow: saved > 0 })
        done()
      }, done)
    },
  })
  let port = 0
  beforeAll(async () => {
    mailServer.listen(0, "127.0.0.1")
    await once(mailServer.server, "listening")
    port = (mailServer.server.address() as { port: number }).port
  })
  afterAll(() => new Promise<void>(resolve => mailServer.close(() => resolve())))

  async function shopWithMail(name: string) {
    const options = await changedShop(name, realm => {
      realm.smtpServer = { host: "127.0.0.1", port: String(port), from: "shop@example.test" }
    })
    return createGate({ ...options, userStore: counting, registration, onEvent: () => undefined })
  }

  it("has Keycloak send its mail with the link, once the row exists", async () => {
    const shop = await shopWithMail("shop-onboarding")
    const ada = person()
    expect((await shop.registerUser(ada)).pending).toEqual(["VERIFY_EMAIL"])
    expect(mails).toMatchObject([{ to: ada.email, hasRow: true }])
    expect(mails[0]?.text).toMatch(/^Subject: Verify email/m)
    expect(mails[0]?.text).toContain("/realms/shop-onboarding/login-actions/action-token")
  })

  it("lets the registration stand when the mail can't be sent, and says so in `pending`", async () => {
    const shop = await shopWithMail("shop-no-mail")
    const answer = (await (await adminFetch("GET", "/realms/shop-no-mail")).json()) as object
    await adminFetch("PUT", "/realms/shop-no-mail", { ...answer, smtpServer: {} })
    const ada = person()
    const { pending, subject } = await shop.registerUser(ada)
    expect(pending).toEqual(["VERIFY_EMAIL", "SEND_VERIFY_EMAIL"])
    expect(await accountsNamed(ada.username, "shop-no-mail")).toMatchObject([{ id: subject }])
    await shop.loginWithPassword(ada)
  })
})

describe("registerHandler on the real server", () => {
  const rows = memoryUserStore()
  const saved = new Set<string>()
  const userStore = {
    ...rows,
    async saveUser(...parameters: Parameters<typeof rows.saveUser>) {
      saved.add(parameters[0].subject)
      return rows.saveUser(...parameters)
    },
  }
  const patient = createGate({ ...gateTest(), userStore, timeoutMs: 30_000 })
  const extra = ({ body }: express.Request) => ({ plan: body?.plan })
  const app = express().use(express.json())
  app.post("/register", registerHandler(patient, { attributes: ["phone"], extra }))
  const server = app.listen(0, "127.0.0.1")
  afterAll(() => server.close())
  const post = async (body: object) => {
    const { port } = server.address() as { port: number }
    const headers = { "content-type": "application/json" }
    const answer = await fetch(`http://127.0.0.1:${port}/register`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }

  it("carries attributes into the account and the application's own data into the row", async () => {
    const { username, ...ada } = person({ phone: "123", plan: "pro", shoeSize: "42" })
    const { status, body } = await post({ username, ...ada })
    expect(status).toBe(201)
    created.push(String(body.subject))
    expect(await accountsNamed(username)).toMatchObject([{ id: body.subject, attributes: { phone: ["123"] } }])
    const issuer = `${inject("keycloak").url}/realms/gate-test`
    expect(await rows.findUser({ issuer, subject: String(body.subject) })).toMatchObject({
      username,
      extra: { plan: "pro" },
    })
  })

  it("answers 20 registrations of one name at once with one 201 and nineteen 409, and makes one account and one row", async () => {
    const ada = person()
    saved.clear()
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(ada)))
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([201, ...Array(19).fill(409)])
    const winner = answers.find(({ status }) => status === 201)?.body.subject
    created.push(String(winner))
    expect(await accountsNamed(ada.username)).toMatchObject([{ id: winner }])
    expect([...saved]).toEqual([winner])
    await patient.loginWithPassword(ada)
  })
})
