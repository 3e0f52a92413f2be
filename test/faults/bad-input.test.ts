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

const badNames: readonly (readonly [string, string])[] = [
  ["empty", ""],
  ["blanks", "  "],
  ["a text with a line break", "phone\r\nforged: line"],
  ["a text with a terminal's escape", "\u001b[31mphone"],
  ["a text with a line separator", "pho\u2028ne"],
  ["half a surrogate pair", "phone\ud83d"],
  ["100,000 characters long", "n".repeat(100_000)],
  ["a field of the account", "username"],
  ["another field of the account", "emailVerified"],
]
/** Two hundred and one of them. */
const tooMany = Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`n${index}`, "x"]))

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
/** What a form sends for a field that may be left out. */
const leftOut: typeof unusable = [["empty", ""], ...blanks, missing, undefinedValue]
const wrong = unusable.filter(([what]) => what !== "empty")
const noPassword = [missing, undefinedValue]

/** One row per field and unusable value. */
function rows(fields: Readonly<Record<string, readonly (readonly [string, unknown])[]>>, always = unusable) {
  return Object.entries(fields).flatMap(([field, values]) =>
    [...always, ...values].map(([what, value]) => [field, what, value] as const),
  )
}

function withField(input: object, field: string, value: unknown): never {
  const changed: Record<string, unknown> = { ...input, [field]: value }
  if (value === absent) delete changed[field]
  return changed as never
}

/** One line of a few hundred characters, whatever names came. */
async function expectRefusedBriefly(work: Promise<unknown>, rule: string): Promise<void> {
  const { code, status, fields, message } = await refusalOf(work)
  expect([code, status, fields?.map(one => one.rule)]).toEqual(["invalid_request", 400, [rule]])
  expect(JSON.stringify(fields).length).toBeLessThan(1000)
  expect(message.length).toBeLessThan(400)
  expect(message + fields?.[0]?.field).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  expect(realm.requests).toEqual([])
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
  it.each([
    ...rows({ username: [], email: [], firstName: [], lastName: [] }, wrong),
    ...rows({ password: noPassword }),
  ])("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.registerUser(withField(person, field, value)), field)
  })

  const names = ["username", "email", "firstName", "lastName"]
  it.each(names.flatMap(name => leftOut.map(([what, value]) => [name, what, value] as const)))(
    "only reads the realm's settings when %s is %s, and creates nothing",
    async (field, _, value) => {
      const error = await refusalOf(gate.registerUser(withField(person, field, value)))
      expect(error).toMatchObject({ code: "invalid_request", fields: [{ field, rule: "required", params: [] }] })
      expect(realm.requests.map(({ path }) => path)).not.toContain("/admin/realms/shop/users")
    },
  )

  it.each([...wrong.filter(([what]) => !what.endsWith("list")), ["a list with a number", ["x", 7]] as const])(
    "sends nothing when an attribute is %s",
    async (_, value) => {
      await expectRefused(gate.registerUser({ ...person, attributes: { phone: value as never } }), "phone")
    },
  )

  it.each([
    ["a string", "phone"],
    ["a list", ["phone"]],
    ["a number", 5],
    ["true", true],
  ])("sends nothing when attributes as a whole is %s", async (_, attributes) => {
    await expectRefused(gate.registerUser({ ...person, attributes: attributes as never }), "attributes")
  })

  it.each(badNames)("sends nothing when the name of an attribute is %s", async (_, name) => {
    await expectRefusedBriefly(gate.registerUser({ ...person, attributes: { [name]: "x" } }), "not_an_attribute")
  })

  it("sends nothing for more attributes than a form has", async () => {
    await expectRefusedBriefly(gate.registerUser({ ...person, attributes: tooMany }), "too_many")
  })

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "takes %s for the name of an attribute like any other, which this realm does not know",
    async name => {
      const attributes = JSON.parse(`{"${name}":"x"}`)
      const error = await refusalOf(gate.registerUser({ ...person, attributes }))
      expect([error.code, error.message.includes(`"${name}"`)]).toEqual(["keycloak_refused_us", true])
      await expectRefused(gate.registerUser({ ...person, attributes: JSON.parse(`{"${name}":5}`) }), name)
    },
  )

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

  it.each([
    ...rows({ username: [...blanks, missing, undefinedValue], password: noPassword }),
    ...rows({ otp: [], scope: [] }, wrong),
  ])("sends nothing when %s is %s", async (field, _, value) => {
    await expectRefused(gate.loginWithPassword(withField(credentials, field, value)), field)
  })

  it.each(leftOut)("takes a one-time code and a scope that are %s for none", async (what, value) => {
    const username = `lin-${what.replace(/ /g, "-")}`
    realm.addUser({ username, password: secrets.password })
    const person = { username, password: secrets.password, otp: "", scope: "" }
    await gate.loginWithPassword(withField(withField(person, "otp", value), "scope", value))
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
  sessions: subject => gate.sessions(subject),
  endSession: subject => gate.endSession(subject, "s-1"),
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

  it.each(badNames)("sends nothing when the name of an attribute is %s", async (_, name) => {
    await expectRefusedBriefly(update({ attributes: { [name]: "x" } }), "not_an_attribute")
    await expectRefusedBriefly(update({ attributes: { [name]: null } }), "not_an_attribute")
  })

  it.each(badNames.filter(([, name]) => !["username", "emailVerified"].includes(name)))(
    "sends nothing when the name of a change is %s",
    async (_, name) => {
      await expectRefusedBriefly(update({ [name]: "x" }), "unknown")
    },
  )

  it("sends nothing for more attributes than a form has, and names some of too many unknown changes", async () => {
    await expectRefusedBriefly(update({ attributes: tooMany }), "too_many")
    await expectRefusedBriefly(update({ attributes: { phone: Array(201).fill("x") } }), "too_many")
    const { fields, message } = await refusalOf(update(tooMany))
    expect(fields?.length).toBe(200)
    expect(message.length).toBeLessThan(400)
  })

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
  it.each([
    ...rows({ username: [...blanks, missing, undefinedValue], currentPassword: noPassword, newPassword: noPassword }),
    ...rows({ subject: blanks }),
    ...rows({ otp: [] }, wrong),
  ])("sends nothing when %s is %s", async (field, _, value) => {
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
