import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest"
import {
  createGate,
  importUsers,
  isGateError,
  memoryUserStore,
  parseDjangoHash,
  type UserKey,
  type UserProfile,
} from "../../src/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import type { Fault } from "../support/faulty-server.ts"
import { djangoHashers } from "../support/old-hashes.ts"
import { paths } from "../support/paths.ts"
import { startProxy } from "../support/proxy.ts"

const password = "old-Passw0rd"
const hash = parseDjangoHash(djangoHashers.pbkdf2_sha256?.(password))

let realm: TestRealm
beforeAll(async () => {
  realm = await startTestRealm()
})
afterAll(() => realm.stop())

const steps = {
  "the service account's token": paths.token,
  "reading the user profile": paths.profile,
  "the create": paths.create,
  "reading the account": /^GET \/admin\/realms\/[^/]+\/users\/[0-9a-f-]{36}$/,
  "the opening": /^PUT \/admin\/realms\/[^/]+\/users\/[^/]+$/,
  "the look for accounts that are still closed": paths.find,
}
const faults: Readonly<Record<string, Fault>> = {
  "never arrives": ({ socket }) => void socket.destroy(),
  "loses its answer": async ({ perform, socket }) => {
    await perform()
    socket.destroy()
  },
  "is done, and answered with a proxy's 502": async ({ perform, send }) => {
    await perform()
    send({ status: 502, body: "<html>Bad Gateway</html>" })
  },
  "is answered with 503": ({ send }) => send({ status: 503, body: "{}" }),
}
const cases = Object.entries(steps).flatMap(([step, at]) =>
  Object.entries(faults).flatMap(([name, fault]) =>
    [1, Number.POSITIVE_INFINITY].map(
      times => [step, times === 1 ? "once" : "always", name, { at, times, fault }] as const,
    ),
  ),
)

let runs = 0

it.each(cases)("where %s %s %s, everybody gets one account, at the latest with the next run", async (...given) => {
  const { at, times, fault } = given[3]
  const proxy = await startProxy(realm.url)
  onTestFinished(() => proxy.close())
  const store = memoryUserStore()
  const run = ++runs
  const people = Array.from({ length: 4 }, (_, index) => {
    const username = `person-${run}-${index}`
    const row = { username, email: `${username}@example.test` }
    // Of all runs, the keys are those of one table.
    const key = store.addUnlinked({ ...row, extra: "old" })
    return { ...row, key, firstName: "Ada", lastName: "L", password: hash }
  })
  const others = new Map(people.map(person => [`${run}-${person.key}`, person.key]))
  const handedIn = people.map(person => ({ ...person, key: `${run}-${person.key}` }))
  const linkUser = (key: UserKey, profile: UserProfile) => store.linkUser(others.get(String(key)) ?? key, profile)
  const gate = createGate({
    ...realm.gateOptions,
    ...{ userStore: { ...store, linkUser }, internalUrl: proxy.url, timeoutMs: 60_000, onEvent: () => undefined },
  })

  proxy.breakWith(fault, { at, times })
  const failure = await importUsers(gate, handedIn).then(
    () => null,
    (error: unknown) => error,
  )
  if (failure !== null) expect(isGateError(failure) && failure.code).toBe("keycloak_unavailable")
  await proxy.heal()
  expect(await importUsers(gate, handedIn)).toMatchObject({ refused: 0 })
  const accounts = realm.users().filter(({ username }) => username.startsWith(`person-${run}-`))
  expect(accounts.map(({ enabled, requiredActions }) => ({ enabled, requiredActions }))).toEqual(
    people.map(() => ({ enabled: true, requiredActions: [] })),
  )
  for (const { id } of accounts)
    expect(await store.findUser({ issuer: realm.issuer, subject: id })).toMatchObject({ extra: "old" })
  await gate.close()
})
