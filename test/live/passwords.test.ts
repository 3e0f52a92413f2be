import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { oneTimeCode } from "../support/one-time-code.ts"
import { refusalOf } from "../support/refusal-of.ts"
import { type People, type Person, password, startPeople } from "./people.ts"

const newPassword = "Passw0rd!-new"
// Keycloak takes the policy as a whole only.
const reusableCodes = {
  otpPolicyType: "totp",
  otpPolicyAlgorithm: "HmacSHA1",
  otpPolicyDigits: 6,
  otpPolicyPeriod: 30,
  otpPolicyLookAheadWindow: 1,
  otpPolicyInitialCounter: 0,
  otpPolicyCodeReusable: true,
}
const authenticatorSecret = "abcdefghijklmnopqrst"
const withAuthenticator = {
  username: "olive",
  enabled: true,
  email: "olive@example.test",
  firstName: "Olive",
  lastName: "L",
  credentials: [
    { type: "password", value: password },
    {
      type: "otp",
      secretData: JSON.stringify({ value: authenticatorSecret }),
      credentialData: JSON.stringify({ subType: "totp", digits: 6, counter: 0, period: 30, algorithm: "HmacSHA1" }),
    },
  ],
}
let people: People
beforeAll(async () => {
  people = await startPeople("shop-passwords", realm => {
    realm.passwordPolicy = "length(8) and notUsername and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)"
    Object.assign(realm, reusableCodes)
    realm.users.push(withAuthenticator)
  })
})
afterAll(() => people.close())

const login = ({ username }: Person, given: string, scope?: string) =>
  people.gate.loginWithPassword({ username, password: given, scope })
const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code
const refresh = ({ refreshToken }: { refreshToken: string }) => people.gate.refreshSession(refreshToken)

describe("setPassword on the real server", () => {
  it("replaces the password and ends every session, offline ones of the same second too", async () => {
    const person = await people.newPerson()
    const sessions = [await login(person, password), await login(person, password, "offline_access")]
    await people.gate.setPassword(person.subject, newPassword)
    for (const session of sessions) expect(await codeOf(refresh(session))).toBe("session_ended")
    expect(await codeOf(login(person, password))).toBe("invalid_credentials")
    await login(person, newPassword)
  })

  it("leaves sessions open where it is told to", async () => {
    const person = await people.newPerson()
    const session = await login(person, password)
    await people.gate.setPassword(person.subject, newPassword, { endSessions: false })
    await refresh(session)
  })

  it("sets a temporary one, with which nobody logs in here before it was changed", async () => {
    const person = await people.newPerson()
    await people.gate.setPassword(person.subject, newPassword, { temporary: true })
    expect(await people.accountOf(person.subject)).toMatchObject({ requiredActions: ["UPDATE_PASSWORD"] })
    expect(await codeOf(login(person, newPassword))).toBe("invalid_credentials")
    await people.gate.setPassword(person.subject, newPassword)
    await login(person, newPassword)
  })

  it("names the rule of the policy that refuses it, and keeps password and sessions", async () => {
    const person = await people.newPerson()
    const session = await login(person, password)
    expect(await refusalOf(people.gate.setPassword(person.subject, "short"))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "password", rule: "invalidPasswordMinLengthMessage", params: [] }],
    })
    await refresh(session)
    await login(person, password)
  })

  it("calls an account that is not there unknown", async () => {
    const subject = "00000000-0000-4000-8000-000000000000"
    expect(await refusalOf(people.gate.setPassword(subject, newPassword))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "subject", rule: "unknown" }],
    })
  })
})

describe("changePassword on the real server", () => {
  it.each(["username", "email"] as const)(
    "changes it for who proves the current one by %s, and ends all sessions",
    async by => {
      const person = await people.newPerson()
      const session = await login(person, password)
      await people.gate.changePassword({ username: person[by], currentPassword: password, newPassword })
      expect(await codeOf(refresh(session))).toBe("session_ended")
      expect(await codeOf(login(person, password))).toBe("invalid_credentials")
      await login(person, newPassword)
      expect(await people.sessionsOf(person.subject)).toBe(1)
    },
  )

  it("finds the account by its subject, whatever its username is by now", async () => {
    const person = await people.newPerson()
    await people.gate.changePassword({ subject: person.subject, currentPassword: password, newPassword })
    await login(person, newPassword)
  })

  it("needs the one-time code of an account that has an authenticator, and answers without it as to a wrong password", async () => {
    const change = { username: "olive", currentPassword: password, newPassword }
    expect(await codeOf(people.gate.changePassword(change))).toBe("invalid_credentials")
    expect(await codeOf(people.gate.changePassword({ ...change, otp: "000000" }))).toBe("invalid_credentials")
    await people.gate.changePassword({ ...change, otp: oneTimeCode(authenticatorSecret) })
    const otp = oneTimeCode(authenticatorSecret)
    await people.gate.loginWithPassword({ username: "olive", password: newPassword, otp })
  })

  it("changes nobody's password but the subject's, whoever else's password was proven", async () => {
    const [ada, bob] = [await people.newPerson(), await people.newPerson()]
    await people.gate.setPassword(bob.subject, "Bobs-own-1")
    const change = { subject: ada.subject, username: bob.username, currentPassword: "Bobs-own-1", newPassword }
    expect(await codeOf(people.gate.changePassword(change))).toBe("invalid_credentials")
    await login(bob, "Bobs-own-1")
    await login(ada, password)
  })

  it("gives one answer to a wrong password, and to an unknown, a disabled and an unfinished account", async () => {
    const [ada, disabled, temporary] = [await people.newPerson(), await people.newPerson(), await people.newPerson()]
    await people.gate.disableAccount(disabled.subject)
    await people.gate.setPassword(temporary.subject, password, { temporary: true })
    const tries = [
      { username: ada.username, currentPassword: "wrong" },
      { username: "nobody", currentPassword: password },
      { username: disabled.username, currentPassword: password },
      { username: temporary.username, currentPassword: password },
    ]
    for (const attempt of tries) {
      // A new password that the policy refuses: nobody hears of it before the current one was proven.
      for (const next of [newPassword, "short"]) {
        const error = await refusalOf(people.gate.changePassword({ ...attempt, newPassword: next }))
        expect(error).toMatchObject({ code: "invalid_credentials", status: 401 })
        expect(people.gate.refusalFor(error)?.body).toEqual({
          error: "invalid_credentials",
          error_description: "The credentials are not valid.",
        })
      }
    }
    const gone = { subject: "00000000-0000-4000-8000-000000000000", currentPassword: password, newPassword }
    expect(await codeOf(people.gate.changePassword(gone))).toBe("invalid_credentials")
  })

  it("names the rule that refuses the new one, keeps the current one, and leaves no session of the proof", async () => {
    const person = await people.newPerson()
    const session = await login(person, password)
    const change = { username: person.username, currentPassword: password, newPassword: "short" }
    expect(await refusalOf(people.gate.changePassword(change))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "newPassword", rule: "invalidPasswordMinLengthMessage", params: [] }],
    })
    await refresh(session)
    expect(await people.sessionsOf(person.subject)).toBe(1)
  })

  it("leaves the other sessions open where it is told to, and none of its own", async () => {
    const person = await people.newPerson()
    const session = await login(person, password)
    const change = { username: person.username, currentPassword: password, newPassword, endSessions: false }
    await people.gate.changePassword(change)
    await refresh(session)
    expect(await people.sessionsOf(person.subject)).toBe(1)
  })

  it("works for a client whose access tokens name no subject and whose ID tokens are ES256", async () => {
    const person = await people.newPerson()
    const attributes = {
      "client.use.lightweight.access.token.enabled": "true",
      "id.token.signed.response.alg": "ES256",
    }
    const client = { clientId: "light", secret: "light-secret", directAccessGrantsEnabled: true, attributes }
    expect(await people.administer("POST", "/clients", client)).toBe(201)
    const { clientId, clientSecret, ...realm } = people.options
    const gate = createGate({
      ...realm,
      clientId: "light",
      clientSecret: "light-secret",
      admin: { clientId, clientSecret },
    })
    await gate.changePassword({ username: person.username, currentPassword: password, newPassword })
    await login(person, newPassword)
    gate.close()
  })
})
