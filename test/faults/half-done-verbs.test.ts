import { once } from "node:events"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, isGateError, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm, type TestUser } from "../../src/testing/index.js"
import { answerWith, cutAnswer, hangBeforeHeaders, performThen, reset } from "../support/faults.ts"
import { type Fault, type FaultyServer, startFaultyServer } from "../support/faulty-server.ts"
import { forward } from "../support/proxy.ts"
import { secrets } from "../support/refusal-of.ts"

const currentPassword = secrets.password
const newPassword = `${secrets.password}-new`
const clientId = "shop-api"
const [clientSecret] = secrets.clientSecrets

let keycloak: TestRealm
beforeAll(async () => {
  const realm = defaultRealm({ realm: "shop", clientId, clientSecret })
  // Each try has people of its own, but a lock would outlast the tries of one person.
  const smtpServer = { host: "mail.example.test", from: "shop@example.test" }
  keycloak = await startTestRealm({ realm: { ...realm, smtpServer, bruteForceProtected: false }, clientId })
})
afterAll(() => keycloak.stop())

/** One person, and a gate whose way to Keycloak can be broken. */
interface World {
  readonly gate: Gate<MemoryUser>
  readonly server: FaultyServer
  readonly id: string
  readonly username: string
  readonly email: string
  readonly account: () => TestUser | undefined
  readonly row: () => Promise<MemoryUser | null>
  /** Whether this password logs in, by a way that nothing breaks. */
  readonly takes: (password: string) => Promise<boolean>
  readonly events: readonly string[]
  readonly close: () => Promise<void>
}

let count = 0

async function openWorld(timeoutMs: number): Promise<World> {
  const server = await startFaultyServer(call => forward(keycloak.url, call))
  const userStore = memoryUserStore()
  const events: string[] = []
  const options = { ...keycloak.gateOptions, timeoutMs }
  const gate = createGate({
    ...options,
    serverUrl: server.url,
    userStore,
    onEvent: ({ type }) => void events.push(type),
  })
  const direct = createGate({ ...options, timeoutMs: 60_000 })
  const username = `person-${count++}`
  const email = `${username}@example.test`
  const { id } = keycloak.addUser({ username, email, password: currentPassword, emailVerified: false })
  const issuer = keycloak.issuer.replace(keycloak.url, server.url)
  await gate.updateAccount(id, {}) // makes the row, and has the service account's token asked for
  for (const scope of ["openid", "offline_access"]) {
    await direct.loginWithPassword({ username, password: currentPassword, scope })
  }
  return {
    gate,
    server,
    id,
    username,
    email,
    events,
    account: () => keycloak.users().find(user => user.id === id),
    row: () => userStore.findUser({ issuer, subject: id }),
    async takes(password) {
      const session = await direct.loginWithPassword({ username, password }).catch(() => null)
      if (session !== null) await direct.logout(session.refreshToken)
      return session !== null
    },
    async close() {
      gate.close()
      direct.close()
      await server.close()
    },
  }
}

interface Verb {
  readonly prepare?: (world: World) => Promise<unknown>
  readonly call: (world: World) => Promise<unknown>
  /** What is so once it was done, at the latest when what goes on by itself has ended. */
  readonly isDone: (world: World) => Promise<Readonly<Record<string, unknown>>>
  readonly done: Readonly<Record<string, unknown>>
  /** What is so in any case when the verb has resolved. */
  readonly atOnce?: readonly string[]
}

const passwordsAndSessions = async ({ takes, account }: World) => ({
  takesNew: await takes(newPassword),
  takesOld: await takes(currentPassword),
  sessions: account()?.sessions,
})
const verbs: Readonly<Record<string, Verb>> = {
  changePassword: {
    call: ({ gate, username }) => gate.changePassword({ username, currentPassword, newPassword }),
    isDone: passwordsAndSessions,
    done: { takesNew: true, takesOld: false, sessions: 0 },
    atOnce: ["takesNew", "takesOld"],
  },
  setPassword: {
    call: ({ gate, id }) => gate.setPassword(id, newPassword),
    isDone: passwordsAndSessions,
    done: { takesNew: true, takesOld: false, sessions: 0 },
  },
  disableAccount: {
    call: ({ gate, id }) => gate.disableAccount(id),
    isDone: async ({ account }) => ({ enabled: account()?.enabled, sessions: account()?.sessions }),
    done: { enabled: false, sessions: 0 },
  },
  enableAccount: {
    prepare: ({ gate, id }) => gate.disableAccount(id),
    call: ({ gate, id }) => gate.enableAccount(id),
    isDone: async ({ account }) => ({ enabled: account()?.enabled }),
    done: { enabled: true },
  },
  logoutEverywhere: {
    call: ({ gate, id }) => gate.logoutEverywhere(id),
    isDone: async ({ account }) => ({ sessions: account()?.sessions }),
    done: { sessions: 0 },
  },
  updateAccount: {
    // The username, which stays, has it ask for the realm's rules.
    call: ({ gate, id, username }) =>
      gate.updateAccount(id, { username, firstName: "Augusta", lastName: "King", emailVerified: true }),
    async isDone({ account, row }) {
      const user = await row()
      return { account: account()?.firstName, row: user?.firstName, verified: [account(), user].map(isVerified) }
    },
    done: { account: "Augusta", row: "Augusta", verified: [true, true] },
  },
  deleteAccount: {
    call: ({ gate, id }) => gate.deleteAccount(id),
    isDone: async ({ account, row }) => ({ account: account(), row: await row() }),
    done: { account: undefined, row: null },
  },
  sendEmailVerification: {
    call: ({ gate, id }) => gate.sendEmailVerification(id),
    isDone: async ({ email }) => ({ isMailed: keycloak.mails.some(({ to }) => to === email) }),
    done: { isMailed: true },
  },
  logout: {
    async call({ gate, username }) {
      const { refreshToken } = await gate.loginWithPassword({ username, password: currentPassword })
      await gate.logout(refreshToken)
    },
    isDone: async () => ({}),
    done: {},
  },
}

function isVerified(who: { readonly emailVerified: boolean } | null | undefined): boolean | undefined {
  return who?.emailVerified
}

const html = { status: 503, headers: { "content-type": "text/html" }, body: "<h1>Back soon</h1>" }
const patientMs = 30_000
const hangMs = 2500
const faults: Readonly<Record<string, { readonly fault: Fault; readonly timeoutMs: number }>> = {
  "its answer is lost": { fault: cutAnswer, timeoutMs: patientMs },
  "it is reset before it does anything": { fault: reset, timeoutMs: patientMs },
  "something answers 503 in Keycloak's place": { fault: answerWith(html), timeoutMs: patientMs },
  "something answers 503 after it was done": { fault: performThen(html), timeoutMs: patientMs },
  "it is never answered": { fault: hangBeforeHeaders, timeoutMs: hangMs },
}

/** Lets requests pass before the one with this index, and breaks that one, or all from there on. */
function from(index: number, fault: Fault, times: number): Fault {
  let seen = 0
  return async exchange => {
    const isBroken = seen >= index && seen < index + times
    seen += 1
    if (isBroken) await fault(exchange)
    else exchange.send(await exchange.perform())
  }
}

/** As many answers as this, and then nobody listens any more. */
function goDownAfter(answers: number, server: FaultyServer): Fault {
  let left = answers
  return async ({ perform, send, response }) => {
    const sent = once(response, "finish")
    send(await perform())
    await sent
    left -= 1
    if (left === 0) await server.goDown()
  }
}

async function requestsOf(verb: Verb): Promise<number> {
  const world = await openWorld(patientMs)
  await verb.prepare?.(world)
  const before = world.server.requests()
  await verb.call(world)
  const requests = world.server.requests() - before
  await world.close()
  return requests
}

/** Meets the fault, heals, calls again where the verb failed, and compares what is with what should be. */
async function meet(verb: Verb, timeoutMs: number, breakAt: (server: FaultyServer) => void | Promise<void>) {
  const world = await openWorld(timeoutMs)
  const pick = (names: readonly string[], what: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(names.map(name => [name, what[name]]))
  try {
    await verb.prepare?.(world)
    await breakAt(world.server)
    const failure = await verb.call(world).then(
      () => null,
      (error: unknown) => error,
    )
    if (failure === null) {
      const promised = verb.atOnce ?? Object.keys(verb.done)
      expect(pick(promised, await verb.isDone(world))).toEqual(pick(promised, verb.done))
    } else expect(isGateError(failure) ? failure.code : failure).toBe("keycloak_unavailable")
    await world.server.heal()
    if (failure !== null) await verb.call(world)
    await expect.poll(() => verb.isDone(world), { interval: 100 }).toEqual(verb.done)
  } finally {
    await world.close()
  }
}

describe.each(Object.keys(verbs))("%s, whichever of its requests meets the fault", name => {
  const verb = verbs[name] as Verb

  it.each(Object.keys(faults))("is done, or is done by calling again, when %s", async fault => {
    const { fault: breaking, timeoutMs } = faults[fault] as (typeof faults)[string]
    const requests = await requestsOf(verb)
    expect(requests).toBeGreaterThan(0)
    const tries = Array.from({ length: requests }, (_, index) =>
      [1, Number.POSITIVE_INFINITY].map(times =>
        meet(verb, timeoutMs, server => server.breakWith(from(index, breaking, times))),
      ),
    )
    await Promise.all(tries.flat())
  })

  it("is done, or is done by calling again, when nobody listens from then on", async () => {
    const requests = await requestsOf(verb)
    await Promise.all(
      Array.from({ length: requests }, (_, index) =>
        meet(verb, patientMs, server => (index === 0 ? server.goDown() : server.breakWith(goDownAfter(index, server)))),
      ),
    )
  })
})
