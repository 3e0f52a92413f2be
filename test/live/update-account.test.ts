import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, memoryUserStore } from "../../src/index.js"
import { startProxy } from "../support/proxy.ts"
import { refusalOf } from "../support/refusal-of.ts"
import { attribute, type People, password, startPeople } from "./people.ts"

let people: People
beforeAll(async () => {
  people = await startPeople("shop-update", realm => {
    realm.editUsernameAllowed = true
  })
  await people.declareAttributes(attribute("phone"), attribute("tags", { multivalued: true }), attribute("secret"))
})
afterAll(() => people.close())

describe("updateAccount on the real server", () => {
  it("changes what is named and nothing else, in the account and in the row", async () => {
    const { subject, username, email } = await people.newPerson({ phone: "123" })
    const before = await people.accountOf(subject)
    const updated = await people.gate.updateAccount(subject, { firstName: "Augusta" })
    expect(updated).toMatchObject({ subject, username, email, firstName: "Augusta", attributes: { phone: ["123"] } })
    expect(await people.accountOf(subject)).toEqual({ ...before, firstName: "Augusta" })
    expect(await people.rowOf(subject)).toEqual(updated.user)
    expect(updated.user).toMatchObject({ subject, username, email, firstName: "Augusta", lastName: "Lovelace" })
  })

  it("leaves e-mail, names and other attributes where attributes change, which Keycloak's own update erases", async () => {
    const { subject, email } = await people.newPerson({ phone: "123" })
    const before = await people.accountOf(subject)
    const { attributes } = await people.gate.updateAccount(subject, { attributes: { tags: ["a", "b"] } })
    expect(attributes).toEqual({ phone: ["123"], tags: ["a", "b"] })
    expect(await people.accountOf(subject)).toEqual({ ...before, attributes })
    await people.gate.loginWithPassword({ username: email, password })
  })

  it("removes an attribute for null and leaves the others", async () => {
    const { subject } = await people.newPerson({ phone: "123", tags: "a" })
    expect(await people.gate.updateAccount(subject, { attributes: { phone: null } })).toMatchObject({
      attributes: { tags: ["a"] },
    })
    expect(await people.gate.updateAccount(subject, { attributes: { tags: null } })).toMatchObject({ attributes: {} })
  })

  it("keeps attributes that the service account can't see", async () => {
    const { subject } = await people.newPerson({ secret: "kept" })
    await people.declareAttributes({ name: "secret", permissions: { view: ["user"], edit: ["user"] } })
    await people.gate.updateAccount(subject, { attributes: { phone: "1" } })
    await people.declareAttributes(attribute("secret"))
    expect(await people.accountOf(subject)).toMatchObject({ attributes: { phone: ["1"], secret: ["kept"] } })
  })

  it("folds username and e-mail as Keycloak does, and lets the person log in under the new name", async () => {
    const { subject, username } = await people.newPerson()
    const names = { username: `Re-${username}`, email: `Re-${username}@Example.Test` }
    const folded = { username: `re-${username}`, email: `re-${username}@example.test` }
    const { user } = await people.gate.updateAccount(subject, names)
    expect(user).toMatchObject(folded)
    await people.gate.loginWithPassword({ username: folded.username, password })
    expect(await refusalOf(people.gate.loginWithPassword({ username, password }))).toMatchObject({
      code: "invalid_credentials",
    })
  })

  it("counts another e-mail as unverified unless told otherwise, and the same e-mail as it was", async () => {
    const { subject, email } = await people.newPerson()
    const verified = async (changes: Parameters<typeof people.gate.updateAccount>[1]) =>
      (await people.gate.updateAccount(subject, changes)).emailVerified
    expect(await verified({ emailVerified: true })).toBe(true)
    expect(await verified({ email: email.toUpperCase() })).toBe(true)
    expect(await verified({ email: `other-${email}` })).toBe(false)
    expect(await verified({ email: `third-${email}`, emailVerified: true })).toBe(true)
    expect((await people.rowOf(subject))?.emailVerified).toBe(true)
  })

  it("reads back what is there when nothing is to change, and brings a row that was lost back", async () => {
    const { subject, username } = await people.newPerson()
    await people.administer("PUT", `/users/${subject}`, { firstName: "Elsewhere" })
    await people.store.removeUser({ issuer: `${people.options.serverUrl}/realms/shop-update`, subject })
    const { user } = await people.gate.updateAccount(subject, {})
    expect(user).toMatchObject({ username, firstName: "Elsewhere" })
    expect(await people.rowOf(subject)).toEqual(user)
  })

  it("writes nothing where the account is as wanted already", async () => {
    const { subject, username, email } = await people.newPerson()
    const proxy = await startProxy(people.options.serverUrl)
    const gate = createGate({ ...people.options, internalUrl: proxy.url, userStore: people.store })
    await gate.updateAccount(subject, { username, email, firstName: "Ada", attributes: { phone: null } })
    expect(proxy.requests(/^PUT/)).toBe(0)
    gate.close()
    await proxy.close()
  })

  it("is not undone by a token from before, in this process or another", async () => {
    const { subject, username } = await people.newPerson()
    const { accessToken } = await people.gate.loginWithPassword({ username, password })
    await people.gate.updateAccount(subject, { firstName: "Augusta" })
    const elsewhere = createGate({ ...people.options, userStore: people.store })
    for (const gate of [people.gate, elsewhere]) {
      const { user } = await gate.verifyBearer(`Bearer ${accessToken}`, {})
      expect(user).toMatchObject({ firstName: "Augusta" })
    }
    expect(await people.rowOf(subject)).toMatchObject({ firstName: "Augusta" })
    elsewhere.close()
  })

  it("loses no change of many at once, of which Keycloak by itself loses some", async () => {
    const { subject } = await people.newPerson()
    const other = createGate({ ...people.options, userStore: memoryUserStore() })
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        people.gate.updateAccount(subject, { firstName: `First ${round}` }),
        people.gate.updateAccount(subject, { lastName: `Last ${round}` }),
        people.gate.updateAccount(subject, { attributes: { phone: String(round) } }),
        people.gate.updateAccount(subject, { attributes: { tags: [`${round}`, "x"] } }),
      ])
      expect(await people.accountOf(subject)).toMatchObject({
        firstName: `First ${round}`,
        lastName: `Last ${round}`,
        attributes: { phone: [String(round)], tags: [`${round}`, "x"] },
      })
    }
    other.close()
  })

  it("tells which name is taken where Keycloak does", async () => {
    const [ada, bob] = [await people.newPerson(), await people.newPerson()]
    const taken = (changes: object) => refusalOf(people.gate.updateAccount(bob.subject, changes))
    expect(await taken({ username: ada.username.toUpperCase() })).toMatchObject({
      code: "user_exists",
      field: "username",
    })
    expect(await taken({ email: ada.email })).toMatchObject({ code: "user_exists", field: "email" })
    expect(await people.accountOf(bob.subject)).toMatchObject({ username: bob.username, email: bob.email })
  })

  it.each([
    ["a bad e-mail", { email: "nope" }, "email", "error-invalid-email"],
    ["a bad name", { firstName: "<b>" }, "firstName", "error-person-name-invalid-character"],
    ["a short username", { username: "ab" }, "username", "error-invalid-length"],
    ["a service account's username", { username: "service-account-x" }, "username", "reserved_prefix"],
    ["no e-mail, without which nobody gets in", { email: null }, "email", "required"],
    ["no first name", { firstName: null }, "firstName", "required"],
  ])("refuses %s by its rule and changes nothing", async (_, changes, field, rule) => {
    const { subject } = await people.newPerson()
    const before = await people.accountOf(subject)
    const error = await refusalOf(people.gate.updateAccount(subject, { ...changes, lastName: "Changed" }))
    expect(error).toMatchObject({ code: "account_rejected", status: 422, fields: [{ field, rule }] })
    expect(await people.accountOf(subject)).toEqual(before)
  })

  it("refuses an attribute that the realm would drop in silence", async () => {
    const { subject } = await people.newPerson()
    const error = await refusalOf(
      people.gate.updateAccount(subject, { attributes: { shoeSize: "42" }, firstName: "X" }),
    )
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
    expect(await people.accountOf(subject)).toMatchObject({ firstName: "Ada" })
  })

  it.each(["00000000-0000-4000-8000-000000000000", "no-such-id", "a/b", "%2e%2e"])(
    "calls the subject %s unknown",
    async subject => {
      expect(await refusalOf(people.gate.updateAccount(subject, { firstName: "X" }))).toMatchObject({
        code: "invalid_request",
        fields: [{ field: "subject", rule: "unknown" }],
      })
    },
  )

  it("hands the store's own error through, with the account changed, and the next token mends the row", async () => {
    const { subject, username } = await people.newPerson()
    const failure = new Error("disk full")
    const failing = createGate({
      ...people.options,
      userStore: { ...people.store, saveUser: () => Promise.reject(failure) },
    })
    await expect(failing.updateAccount(subject, { firstName: "Augusta" })).rejects.toBe(failure)
    failing.close()
    expect(await people.accountOf(subject)).toMatchObject({ firstName: "Augusta" })
    const { accessToken } = await people.gate.loginWithPassword({ username, password })
    expect((await people.gate.verifyBearer(`Bearer ${accessToken}`, {})).user).toMatchObject({ firstName: "Augusta" })
  })

  it("works without a user store", async () => {
    const { subject } = await people.newPerson()
    const gate = createGate(people.options)
    expect(await gate.updateAccount(subject, { lastName: "King" })).toMatchObject({ lastName: "King", user: null })
    gate.close()
  })
})

describe("updateAccount in a realm with other rules", () => {
  it("is refused another username where usernames can't be edited, and not the one that is there", async () => {
    const fixed = await startPeople("shop-fixed-names")
    const { subject, username } = await fixed.newPerson()
    expect(await refusalOf(fixed.gate.updateAccount(subject, { username: "other-name" }))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "username", rule: "read_only" }],
    })
    await fixed.gate.updateAccount(subject, { username: username.toUpperCase(), firstName: "Augusta" })
    await fixed.close()
  })

  it("moves the username with the e-mail where the realm uses that, and refuses any other", async () => {
    const mail = await startPeople("shop-mail-names", realm => {
      realm.registrationEmailAsUsername = true
    })
    const registration = { email: "one@example.test", firstName: "Ada", lastName: "L", password }
    const { subject } = await mail.gate.registerUser(registration)
    expect(await mail.gate.updateAccount(subject, { email: "Two@example.test" })).toMatchObject({
      username: "two@example.test",
      user: { username: "two@example.test", email: "two@example.test" },
    })
    expect(await refusalOf(mail.gate.updateAccount(subject, { username: "other" }))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "username", rule: "must_equal_email" }],
    })
    expect(await refusalOf(mail.gate.updateAccount(subject, { email: null }))).toMatchObject({
      fields: [{ field: "email", rule: "required" }],
    })
    await mail.gate.updateAccount(subject, { username: "three@example.test", email: "three@example.test" })
    await mail.close()
  })
})
