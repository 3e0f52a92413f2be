import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { refusalOf } from "../support/refusal-of.ts"

type Attribute = Readonly<Record<string, unknown>> & { readonly name: string }

interface RealmRules {
  readonly profile: { readonly attributes: readonly Attribute[] }
  readonly settings?: Readonly<Record<string, unknown>>
}

/** A realm with these rules and no others. */
interface RuledRealm {
  readonly options: Omit<GateOptions<MemoryUser>, "userStore">
  readonly accountOf: (subject: string) => Promise<Readonly<Record<string, unknown>>>
}

export interface RuledRealms {
  readonly open: (rules: RealmRules) => Promise<RuledRealm>
  readonly close: () => Promise<void>
}

const everybody = { view: ["admin", "user"], edit: ["admin", "user"] }
const required = { roles: ["user"] }
const attribute = (name: string, more: object = {}) => ({ name, permissions: everybody, multivalued: false, ...more })
const username = attribute("username", { validations: { length: { min: 3, max: 255 } } })
const email = attribute("email", { required, validations: { email: {} } })
const [firstName, lastName] = [attribute("firstName", { required }), attribute("lastName", { required })]
const standard = [username, email, firstName, lastName]

const profiles = {
  standard,
  "no names": [username, email],
  "an optional e-mail": [username, attribute("email", { validations: { email: {} } }), firstName, lastName],
  "a required phone": [...standard, attribute("phone", { required })],
  "optional names": [username, email, attribute("firstName"), attribute("lastName")],
  "several hobbies": [
    ...standard,
    attribute("hobby", { multivalued: true }),
    attribute("phone"),
    attribute("constructor"),
  ],
  "what only people edit": [
    ...[username, email, attribute("firstName", { permissions: { view: ["admin"], edit: ["user"] } }), lastName],
    attribute("nick", { permissions: { view: ["admin", "user"], edit: ["user"] } }),
  ],
  "an e-mail that only people edit": [
    ...[username, firstName, lastName],
    attribute("email", { permissions: { view: ["admin", "user"], edit: ["user"] } }),
  ],
  "a required name that only people edit": [
    ...[username, email, lastName],
    attribute("firstName", { required, permissions: { view: ["admin"], edit: ["user"] } }),
  ],
} satisfies Record<string, readonly Attribute[]>

const password = "Difference-Engine-1822!"
let count = 0
/** A name that nobody has, in this run or in one of before. */
const newName = () => `reg-${process.pid}-${Date.now()}-${count++}`

/** What is needed, allowed and kept of a registration is what the realm's rules say. */
export function registrationContract(realms: RuledRealms): void {
  afterAll(() => realms.close())

  function ruledBy(profile: keyof typeof profiles, settings: Readonly<Record<string, unknown>> = {}) {
    const world = {} as RuledRealm & { gate: Gate<MemoryUser>; rowOf: (subject: string) => Promise<MemoryUser | null> }
    beforeAll(async () => {
      const realm = await realms.open({ profile: { attributes: profiles[profile] }, settings })
      const store = memoryUserStore()
      const gate: Gate<MemoryUser> = createGate({ ...realm.options, userStore: store, onEvent: () => undefined })
      const issuer = `${realm.options.serverUrl}/realms/${realm.options.realm}`
      Object.assign(world, { ...realm, gate, rowOf: (subject: string) => store.findUser({ issuer, subject }) })
    })
    afterAll(() => world.gate.close())

    return {
      /** A person who can log in, and whose account and row are the same. */
      async register(registration: Readonly<Record<string, unknown>>) {
        const registered = await world.gate.registerUser({ ...registration, password } as never)
        expect(registered.pending).toEqual([])
        await world.gate.loginWithPassword({ username: registered.username, password })
        const account = await world.accountOf(registered.subject)
        const row = await world.rowOf(registered.subject)
        for (const field of ["username", "email", "firstName", "lastName"] as const)
          expect(row?.[field], field).toBe(account[field] ?? null)
        expect([registered.username, registered.email]).toEqual([row?.username, row?.email])
        return account
      },
      change: (subject: string, changes: Readonly<Record<string, string>>) =>
        refusalOf(world.gate.updateAccount(subject, changes)),
      refused: (registration: Readonly<Record<string, unknown>>) =>
        refusalOf(world.gate.registerUser({ ...registration, password } as never)),
    }
  }

  const person = () => {
    const name = newName()
    return { username: name, email: `${name}@example.test`, firstName: "Ada", lastName: "Lovelace" }
  }
  const without = (...fields: string[]) =>
    Object.fromEntries(Object.entries(person()).filter(([field]) => !fields.includes(field)))
  const missing = (...fields: string[]) => ({
    code: "invalid_request",
    fields: fields.map(field => ({ field, rule: "required", params: [] })),
  })

  describe("with Keycloak's own profile", () => {
    const { register, refused } = ruledBy("standard")
    it("needs all four names", async () => {
      await register(person())
      expect(await refused({})).toMatchObject(missing("username", "email", "firstName", "lastName"))
      expect(await refused({ ...person(), lastName: " " })).toMatchObject(missing("lastName"))
    })
    it("takes an attribute that was left empty for none, and refuses one that would be dropped", async () => {
      await register({ ...person(), attributes: { phone: "", hobby: [] } })
      const attributes = { phone: "1" }
      expect(await refused({ ...person(), attributes })).toMatchObject({ code: "keycloak_refused_us" })
    })
    it("takes no name that looks like somebody's e-mail from whoever has none", async () => {
      const error = await refused({ ...without("email"), username: `${newName()}@example.test` })
      expect(error).toMatchObject({ code: "account_rejected", fields: [{ rule: "must_equal_email" }] })
    })
  })

  describe("with no names in the profile", () => {
    const { register, refused } = ruledBy("no names")
    it("needs none, and keeps none in the row either", async () => {
      await register(without("firstName", "lastName"))
      await register({ ...person(), firstName: "" })
      expect(await register(person())).not.toHaveProperty("firstName")
      expect(await refused(without("email"))).toMatchObject(missing("email"))
    })
  })

  describe("with an optional e-mail", () => {
    const { register, refused } = ruledBy("an optional e-mail")
    it("makes an account without one, as often as they come", async () => {
      await register(without("email"))
      expect(await register({ ...person(), email: "" })).not.toHaveProperty("email")
      await register(person())
      expect(await refused(without("firstName"))).toMatchObject(missing("firstName"))
    })
  })

  describe("with optional names", () => {
    const { register } = ruledBy("optional names")
    it("takes those that come, with blanks around them", async () => {
      expect(await register({ ...person(), firstName: " Ada " })).toMatchObject({ firstName: " Ada " })
      expect(await register({ ...without("firstName"), lastName: "" })).not.toHaveProperty("lastName")
      expect(await register(without("lastName"))).toMatchObject({ firstName: "Ada" })
    })
  })

  describe("with a required phone", () => {
    const { register, refused } = ruledBy("a required phone")
    it("needs it, and nothing empty in its place", async () => {
      expect(await register({ ...person(), attributes: { phone: "17" } })).toMatchObject({
        attributes: { phone: ["17"] },
      })
      for (const attributes of [{}, { phone: "" }, { phone: ["", " "] }]) {
        const error = await refused({ ...person(), attributes })
        expect(error).toMatchObject({ code: "account_rejected", fields: [{ field: "phone", rule: "required" }] })
      }
    })
  })

  describe("with several hobbies, and one phone", () => {
    const { register, refused } = ruledBy("several hobbies")
    it("takes lists where the profile says multivalued, and one value elsewhere", async () => {
      const attributes = { hobby: ["chess", "", "maths"], phone: ["17"], constructor: "Babbage" }
      const account = await register({ ...person(), attributes })
      expect(account).toMatchObject({
        attributes: { hobby: ["chess", "maths"], phone: ["17"], constructor: ["Babbage"] },
      })
      expect(await refused({ ...person(), attributes: { phone: ["17", "18"] } })).toMatchObject({
        code: "account_rejected",
        fields: [{ field: "phone", rule: "error-invalid-multivalued-size", params: [0, 1] }],
      })
    })
  })

  describe("with what only people edit", () => {
    const { register, refused, change } = ruledBy("what only people edit")
    it("refuses to change such a name", async () => {
      const { id } = await register(person())
      expect(await change(String(id), { firstName: "Augusta" })).toMatchObject({
        code: "account_rejected",
        fields: [{ field: "firstName", rule: "read_only", params: [] }],
      })
    })
    it("keeps a name in the row as Keycloak keeps it, and refuses an attribute that would be dropped", async () => {
      expect(await register(person())).not.toHaveProperty("firstName")
      const error = await refused({ ...person(), attributes: { nick: "z" } })
      expect([error.code, /Permission/.test(error.message)]).toEqual(["keycloak_refused_us", true])
    })
  })

  describe("with an e-mail that only people edit", () => {
    const { register, change } = ruledBy("an e-mail that only people edit")
    it("makes an account and a row without one, and refuses to change it", async () => {
      const account = await register(person())
      expect(account).not.toHaveProperty("email")
      expect(await change(String(account.id), { email: `${newName()}@example.test` })).toMatchObject({
        code: "account_rejected",
        fields: [{ field: "email", rule: "read_only", params: [] }],
      })
    })
  })

  describe("with a required name that only people edit", () => {
    const { refused } = ruledBy("a required name that only people edit")
    it("says that nobody could log in", async () => {
      const error = await refused(person())
      expect([error.code, /firstName.*Permission/s.test(error.message)]).toEqual(["keycloak_refused_us", true])
    })
  })

  describe("with the e-mail as username", () => {
    const { register, refused } = ruledBy("standard", { registrationEmailAsUsername: true })
    it("needs no username, and the e-mail always", async () => {
      const { email } = person()
      expect(await register({ ...without("username"), email })).toMatchObject({ username: email, email })
      expect(await refused(without("username", "email"))).toMatchObject(missing("email"))
      expect(await refused(person())).toMatchObject({
        code: "account_rejected",
        fields: [{ rule: "must_equal_email" }],
      })
    })
  })

  describe("in several languages", () => {
    const languages = { internationalizationEnabled: true, supportedLocales: ["de", "en"], defaultLocale: "en" }
    const { register } = ruledBy("standard", languages)
    it("keeps the language, which no profile names", async () => {
      const account = await register({ ...person(), attributes: { locale: "de" } })
      expect(account).toMatchObject({ attributes: { locale: ["de"] } })
    })
  })
}
