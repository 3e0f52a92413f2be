import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { openShop } from "../support/shop.ts"

let realm: TestRealm
let gate: Gate<null>
beforeAll(async () => {
  realm = await openShop()
  gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
})
beforeEach(() => realm.forgetRequests())
afterAll(() => gate.close())

const absent = Symbol("absent")
const unusable: readonly (readonly [string, unknown])[] = [
  ["null", null],
  ["empty", ""],
  ["a list", ["ada"]],
  ["an empty list", []],
  ["an object", { toString: () => "ada" }],
  ["a string object", new String("ada")],
  ["a number", 4711],
  ["true", true],
  ["90,000 bytes long", "a".repeat(90_000)],
  ["90,000 bytes long in 30,000 characters", "€".repeat(30_000)],
  ["text with NUL", "ada\u0000"],
  ["text with a line break", "ada\r\nSet-Cookie: a=b"],
  ["text with DEL", "ada\u007f"],
  ["text with a C1 control character", "ada\u0085"],
  ["text with a line separator", "ada\u2028"],
  ["half a surrogate pair", "ada\ud83d"],
  ["a low surrogate alone", "\udc69ada"],
]
const blanks: readonly (readonly [string, unknown])[] = [
  ["blanks", "   "],
  ["a no-break space", "\u00a0"],
]
const missing = ["missing", absent] as const
const undefinedValue = ["undefined", undefined] as const

/** One row per field and unusable value. */
function rows(fields: Readonly<Record<string, readonly (readonly [string, unknown])[]>>) {
  return Object.entries(fields).flatMap(([field, values]) =>
    [...unusable, ...values].map(([what, value]) => [field, what, value] as const),
  )
}

function withField(input: object, field: string, value: unknown): never {
  const changed: Record<string, unknown> = { ...input, [field]: value }
  if (value === absent) delete changed[field]
  return changed as never
}

async function expectRefused(work: Promise<unknown>, ...fields: string[]) {
  const error = await refusalOf(work)
  expect(error).toMatchObject({ code: "invalid_request", status: 400 })
  expect(error.fields?.map(({ field }) => field)).toEqual(fields)
  expect(realm.requests).toEqual([])
}

const person = {
  username: "ada",
  email: secrets.email,
  firstName: "Ada",
  lastName: "Lovelace",
  password: secrets.password,
}

describe("registerUser", () => {
  it.each(
    rows({
      username: blanks,
      email: [...blanks, missing, undefinedValue],
      firstName: [...blanks, missing, undefinedValue],
      lastName: [...blanks, missing, undefinedValue],
      password: [missing, undefinedValue],
    }),
  )("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.registerUser(withField(person, field, value)), field)
  })

  it.each([
    ["missing", absent],
    ["undefined", undefined],
  ])("only reads the realm's settings when username is %s, and creates nothing", async (_, value) => {
    const error = await refusalOf(gate.registerUser(withField(person, "username", value)))
    expect(error).toMatchObject({ code: "invalid_request", fields: [{ field: "username", rule: "required" }] })
    expect(realm.requests.map(({ path }) => path)).not.toContain("/admin/realms/shop/users")
  })

  it.each([...unusable, ...blanks, undefinedValue])("sends nothing when an attribute is %s", async (_, value) => {
    await expectRefused(gate.registerUser({ ...person, attributes: { phone: value as never } }), "phone")
  })

  it.each([
    ["a string", "phone"],
    ["a list", ["phone"]],
    ["a number", 5],
    ["true", true],
  ])("sends nothing when attributes as a whole is %s", async (_, attributes) => {
    await expectRefused(gate.registerUser({ ...person, attributes: attributes as never }), "attributes")
  })

  it.each([
    ["undefined", undefined],
    ["null", null],
    ["a string", "ada"],
    ["a list", []],
    ["a number", 5],
  ])("names every field when the whole registration is %s", async (_, registration) => {
    await expectRefused(gate.registerUser(registration as never), "email", "firstName", "lastName", "password")
  })

  it("names every unusable field at once", async () => {
    const registration = { ...person, email: "", password: 5, lastName: "a\nb" }
    await expectRefused(gate.registerUser(registration as never), "email", "lastName", "password")
  })

  it("does not take a field from a prototype", async () => {
    await expectRefused(gate.registerUser(Object.create(person)), "email", "firstName", "lastName", "password")
  })
})

describe("loginWithPassword", () => {
  const credentials = { username: "ada", password: secrets.password, otp: "123456", scope: "openid" }

  it.each(
    rows({
      username: [...blanks, missing, undefinedValue],
      password: [missing, undefinedValue],
      otp: blanks,
      scope: blanks,
    }),
  )("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.loginWithPassword(withField(credentials, field, value)), field)
  })

  it.each([
    ["undefined", undefined],
    ["null", null],
    ["a string", "ada"],
    ["a list", []],
  ])("names every field when the credentials are %s", async (_, given) => {
    await expectRefused(gate.loginWithPassword(given as never), "username", "password")
  })
})

describe.each(["refreshSession", "logout"] as const)("%s", verb => {
  it.each([...unusable, ...blanks, undefinedValue])("sends nothing when the refresh token is %s", async (_, value) => {
    await expectRefused(gate[verb](value as never), "refresh_token")
  })
})

const subjectVerbs: Readonly<Record<string, (subject: never) => Promise<unknown>>> = {
  updateAccount: subject => gate.updateAccount(subject, { firstName: "Ada" }),
  setPassword: subject => gate.setPassword(subject, secrets.password),
  sendEmailVerification: subject => gate.sendEmailVerification(subject),
  disableAccount: subject => gate.disableAccount(subject),
  enableAccount: subject => gate.enableAccount(subject),
  deleteAccount: subject => gate.deleteAccount(subject),
  logoutEverywhere: subject => gate.logoutEverywhere(subject),
}

describe.each(Object.keys(subjectVerbs))("%s", verb => {
  const notOne = [".", "..", "count", "profile"].map(path => [`the path ${path}`, path] as const)
  it.each(rows({ subject: [...blanks, ...notOne, undefinedValue] }))(
    "sends nothing when %s is %s",
    async (field, _, value) => {
      await expectRefused(subjectVerbs[verb]?.(value as never) ?? Promise.resolve(), field)
    },
  )
})

describe("updateAccount", () => {
  const update = (changes: unknown) => gate.updateAccount("s-1", changes as never)
  const texts = ["username", "email", "firstName", "lastName"] as const
  // null removes, where there is something to remove
  const usable = ([field, what]: readonly [string, string, unknown]) => what === "null" && field !== "username"

  it.each(rows(Object.fromEntries(texts.map(name => [name, blanks]))).filter(row => !usable(row)))(
    "sends nothing when %s is %s",
    async (field, _, value) => {
      await expectRefused(update({ [field]: value }), field)
    },
  )

  it.each(rows({ phone: blanks }).filter(([, what]) => what !== "null" && what !== "a list"))(
    "sends nothing when the attribute %s is %s",
    async (field, _, value) => {
      await expectRefused(update({ attributes: { [field]: value } }), field)
      if (!Array.isArray(value)) await expectRefused(update({ attributes: { [field]: ["usable", value] } }), field)
    },
  )

  it.each([
    ["changes that are a list", [], ["changes"]],
    ["changes that are null", null, ["changes"]],
    ["a misspelt field", { firstname: "Ada" }, ["firstname"]],
    ["a field that is none of a person's", { enabled: true, realmRoles: ["admin"] }, ["enabled", "realmRoles"]],
    ["emailVerified that is no boolean", { emailVerified: "true" }, ["emailVerified"]],
    ["attributes that are no object", { attributes: ["phone"] }, ["attributes"]],
    ["a field among the attributes", { attributes: { email: "x", emailVerified: "true" } }, ["email", "emailVerified"]],
    ["an attribute without a name", { attributes: { "": "x" } }, [""]],
  ])("sends nothing for %s", async (_, changes, fields) => {
    await expectRefused(update(changes), ...fields)
  })
})

describe("setPassword", () => {
  it.each(rows({ password: [missing, undefinedValue] }))("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.setPassword("s-1", (value === absent ? undefined : value) as never), field)
  })

  it("sends nothing when an option is no boolean", async () => {
    const options = { temporary: "no", endSessions: 0 } as never
    await expectRefused(gate.setPassword("s-1", secrets.password, options), "temporary", "endSessions")
  })
})

describe("changePassword", () => {
  const change = { username: "ada", currentPassword: secrets.password, newPassword: "another-1822!", otp: "123456" }
  it.each(
    rows({
      username: [...blanks, missing, undefinedValue],
      currentPassword: [missing, undefinedValue],
      newPassword: [missing, undefinedValue],
      otp: blanks,
      subject: blanks,
    }),
  )("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.changePassword(withField(change, field, value)), field)
  })
})

describe("sendPasswordReset", () => {
  it.each(rows({ email: [...blanks, undefinedValue] }))("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.sendPasswordReset(value as never), field)
  })

  it.each([0, -1, 1.5, Number.NaN, "60"])("sends nothing for a lifespan of %s seconds", async lifespanSeconds => {
    const options = { lifespanSeconds } as never
    await expectRefused(gate.sendPasswordReset(secrets.email, options), "lifespanSeconds")
  })
})

describe("blanks", () => {
  it("are a password like any other", async () => {
    realm.addUser({ username: "blank", password: "   " })
    await gate.loginWithPassword({ username: "blank", password: "   " })
    expect(realm.requests).toHaveLength(1)
  })
})
