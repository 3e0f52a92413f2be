import { afterAll, describe, expect, it } from "vitest"
import { createGate, memoryUserStore } from "../../../src/index.js"
import { accountsNamed, newPerson, removeAccounts, throughProxy } from "../../support/accounts.ts"
import { outagesFor } from "../../support/faults.ts"
import { paths } from "../../support/issuer.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

const timeoutMs = 12_000

afterAll(removeAccounts)

describe.concurrent("registerUser, creating the account on the real server", { timeout: 180_000 }, () => {
  it.each(outagesFor(2 * timeoutMs, "http://127.0.0.1:9"))(
    "answers 503 when the proxy $name, and heals",
    async ({ begin, retryAfter }) => {
      const person = newPerson()
      const proxy = await startProxy(throughProxy({ url: "" }).serverUrl)
      const options = { ...throughProxy(proxy), timeoutMs, onEvent: () => undefined }
      const gate = createGate({ ...options, userStore: memoryUserStore() })
      // Against the realm's password policy: gets as far as the create, and leaves nothing.
      expect(await refusalOf(gate.registerUser({ ...person, password: "a" }))).toMatchObject({
        code: "registration_rejected",
      })
      await begin(proxy, { at: paths.create })

      const started = performance.now()
      const error = await refusalOf(gate.registerUser(person))
      expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(performance.now() - started).toBeLessThan(5 * timeoutMs)
      expect(gate.refusalFor(error)?.headers["Retry-After"] ?? "").toMatch(retryAfter)

      await proxy.heal()
      const { subject } = await gate.registerUser(person)
      expect(await accountsNamed(person.username)).toMatchObject([{ id: subject }])
      gate.close()
      await proxy.close()
    },
  )
})
