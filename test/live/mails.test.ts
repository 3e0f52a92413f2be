import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent, type MemoryUser } from "../../src/index.js"
import { type Mailbox, startMailbox } from "../support/mailbox.ts"
import { refusalOf } from "../support/refusal-of.ts"
import { type People, password, startPeople } from "./people.ts"

const realm = "shop-mails"
let people: People
let mailbox: Mailbox
let gate: Gate<MemoryUser>
let events: GateEvent[] = []
beforeAll(async () => {
  people = await startPeople(realm, realm => {
    const client = realm.clients.find(({ clientId }) => clientId === "shop-api")
    Object.assign(client ?? {}, { redirectUris: ["https://shop.example.test/*"] })
  })
})
beforeEach(async () => {
  mailbox = await startMailbox()
  await mailbox.attach(realm)
  events = []
  const onEvent = (event: GateEvent) => events.push(event)
  gate = createGate({ ...people.options, userStore: people.store, onEvent })
})
afterEach(async () => {
  gate.close()
  await mailbox.goDown()
})
afterAll(() => people.close())

const recipients = () => mailbox.mails.map(({ to }) => to)

describe("sendPasswordReset on the real server", () => {
  it("sends one mail, whose link leads to Keycloak's form for a new password", async () => {
    const { email } = await people.newPerson()
    await gate.sendPasswordReset(email.toUpperCase())
    await expect.poll(recipients).toEqual([email])
    const form = await fetch(mailbox.mails[0]?.link ?? "", { redirect: "follow" })
    expect([form.status, await form.text()]).toEqual([200, expect.stringMatching(/update|password/i)])
    expect(events).toEqual([])
  })

  it("sends none to an account that is disabled, to an e-mail that nobody has, or to one with a wildcard", async () => {
    const [person, disabled] = [await people.newPerson(), await people.newPerson()]
    await people.gate.disableAccount(disabled.subject)
    for (const email of [disabled.email, "nobody@example.test", "*", "%", "*@example.test", "nope"]) {
      await gate.sendPasswordReset(email)
    }
    await gate.sendPasswordReset(person.email)
    await expect.poll(recipients).toEqual([person.email])
    expect(events).toEqual([])
  })

  it("takes the same time and tells the same whether the e-mail is known, disabled or nobody's", {
    timeout: 180_000,
  }, async () => {
    const [person, disabled] = [await people.newPerson(), await people.newPerson()]
    await people.gate.disableAccount(disabled.subject)
    const fastest = { known: Infinity, disabled: Infinity, unknown: Infinity }
    const emails = { known: person.email, disabled: disabled.email, unknown: "nobody@example.test" }
    const differ = () => Math.max(...Object.values(fastest)) / Math.min(...Object.values(fastest)) > 1.3
    // A busy machine disturbs some rounds. What differs by itself differs in all of them.
    for (let round = 0; round < 7 || (round < 50 && differ()); round++) {
      for (const kind of ["known", "disabled", "unknown"] as const) {
        const startedAt = performance.now()
        expect(await gate.sendPasswordReset(emails[kind])).toBeUndefined()
        fastest[kind] = Math.min(fastest[kind], performance.now() - startedAt)
      }
    }
    expect(differ(), JSON.stringify(fastest)).toBe(false)
  })

  it("tells nobody but the operator that the mail server is down", async () => {
    const { email } = await people.newPerson()
    await mailbox.goDown()
    expect(await gate.sendPasswordReset(email)).toBeUndefined()
    expect(await gate.sendPasswordReset("nobody@example.test")).toBeUndefined()
    await expect.poll(() => events.map(({ type }) => type)).toEqual(["mail_not_sent"])
    const [event] = events
    expect(event).toMatchObject({ error: { code: "keycloak_unavailable" } })
    expect(JSON.stringify(event)).not.toContain("example.test")
  })

  it("leads back to the application where that is one of the client's addresses, else tells the operator", async () => {
    const { email } = await people.newPerson()
    await gate.sendPasswordReset(email, { redirectUri: "https://shop.example.test/back", lifespanSeconds: 60 })
    await expect.poll(recipients).toEqual([email])
    const key = new URL(mailbox.mails[0]?.link ?? "").searchParams.get("key") ?? ""
    const { exp, iat, reduri } = JSON.parse(Buffer.from(key.split(".")[1] ?? "", "base64url").toString())
    expect([exp - iat, reduri]).toEqual([60, "https://shop.example.test/back"])

    // Somebody else: the mail arrives before Keycloak has answered, and until then another one for that person is not sent.
    const other = await people.newPerson()
    await gate.sendPasswordReset(other.email, { redirectUri: "https://evil.example.test/" })
    await expect.poll(() => events.map(({ type }) => type)).toEqual(["mail_not_sent"])
    expect(events[0]).toMatchObject({ error: { code: "keycloak_refused_us" } })
    expect(recipients()).toHaveLength(1)
  })

  it("sends one mail for several calls at once", async () => {
    const { email } = await people.newPerson()
    await Promise.all([1, 2, 3, 4].map(() => gate.sendPasswordReset(email)))
    await expect.poll(recipients).toEqual([email])
  })
})

describe("sendEmailVerification on the real server", () => {
  it("sends the mail, whose link makes the next token say that the e-mail is verified", async () => {
    const { subject, username, email } = await people.newPerson()
    await gate.sendEmailVerification(subject)
    expect(recipients()).toEqual([email])
    await follow(mailbox.mails[0]?.link ?? "")
    const { accessToken } = await gate.loginWithPassword({ username, password })
    const principal = await gate.verifyBearer(`Bearer ${accessToken}`, {})
    expect(principal).toMatchObject({ emailVerified: true, user: { emailVerified: true } })
  })

  it.each([
    ["unknown", "unknown"],
    ["disabled", "disabled"],
    ["without an e-mail", "without_email"],
  ])("says that the account is %s", async (state, rule) => {
    const { subject } = await people.newPerson()
    if (state === "disabled") await people.gate.disableAccount(subject)
    if (state === "without an e-mail") await people.administer("PUT", `/users/${subject}`, { email: "" })
    const asked = state === "unknown" ? "00000000-0000-4000-8000-000000000000" : subject
    expect(await refusalOf(gate.sendEmailVerification(asked))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "subject", rule }],
    })
  })

  it("is a 503 that names the mail settings when the mail server is down", async () => {
    const { subject } = await people.newPerson()
    await mailbox.goDown()
    const error = await refusalOf(gate.sendEmailVerification(subject))
    expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    expect(error.message).toContain("Realm settings → Email")
  })

  it("blames the operator for a redirect that the client does not allow", async () => {
    const { subject } = await people.newPerson()
    const error = await refusalOf(gate.sendEmailVerification(subject, { redirectUri: "https://evil.example.test/" }))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
  })
})

/** Opens a link as a browser does, and confirms it where Keycloak asks for that. */
async function follow(link: string): Promise<void> {
  const first = await fetch(link, { redirect: "manual" })
  const cookie = first.headers
    .getSetCookie()
    .map(one => one.split(";")[0])
    .join("; ")
  const next = first.headers.get("location") ?? /href="([^"]*action-token[^"]*)"/.exec(await first.text())?.[1] ?? ""
  if (next !== "") await fetch(new URL(next.replaceAll("&amp;", "&"), link), { headers: { cookie } })
}
