import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { ownTimeUntil } from "../support/own-clock.ts"
import { startRedis, type TestRedis } from "../support/redis.ts"
import { startTcpProxy } from "../support/tcp-proxy.ts"
import { type AppClient, clients } from "./clients.ts"
import { inAnHour, issuer, type Sharing, share } from "./sharing.ts"

let redis: TestRedis
let operator: AppClient
beforeAll(async () => {
  redis = await startRedis()
  operator = (clients["ioredis 6"] as (url: string) => AppClient)(redis.url)
})
afterAll(async () => {
  await operator.close()
  await redis.stop()
})

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await operator.command("FLUSHALL")
})

function appOf(kind = "ioredis 6", url = redis.url): AppClient {
  const app = (clients[kind] as (url: string) => AppClient)(url)
  closing.push(app.close)
  return app
}
function process(app: AppClient = appOf(), ...more: [Parameters<typeof share>[1]?, string?]): Sharing {
  const sharing = share(app, ...more)
  closing.push(sharing.store.close)
  return sharing
}
const isUp = (...all: readonly Sharing[]) =>
  expect.poll(() => all.map(({ store }) => store.state().store), { interval: 10 }).toEqual(all.map(() => "up"))
const isDown = (one: Sharing) => expect.poll(() => one.store.state().store, { interval: 10 }).toBe("down")
const everybodyKnows = (session: string, ...all: readonly Sharing[]) =>
  expect.poll(() => all.map(one => one.knows(session)), { interval: 5 }).toEqual(all.map(() => true))
const typesOf = ({ events }: Sharing) => events.map(({ type }) => type)
const set = `keycloak-gate:{${issuer}}:revoked`
const news = `keycloak-gate:{${issuer}}:news`

describe.each(Object.keys(clients))("a client of %s with default options", kind => {
  it("shares what is ended with those that are there, and with those that come later", async () => {
    const [one, other] = [process(appOf(kind)), process()]
    await isUp(one, other)
    await one.end("session-1")
    await everybodyKnows("session-1", other)
    expect(other.howOf("session-1")).toBe("pushed")
    await other.end("session-2")
    await everybodyKnows("session-2", one)

    const later = process(appOf(kind))
    await everybodyKnows("session-2", later)
    expect([later.howOf("session-1"), later.howOf("session-2")]).toEqual(["read", "read"])
  })

  it("may have any state when it is handed over, and is left as it is", async () => {
    const [unused, used, closed, listening] = [appOf(kind), appOf(kind), appOf(kind), appOf(kind)]
    for (const app of [used, closed, listening]) await app.command("PING")
    await closed.close()
    await listening.listen()
    const all = [unused, used, closed, listening].map(app => process(app))
    await isUp(...all)
    await all[0]?.end("session-1")
    await everybodyKnows("session-1", ...all)
    for (const { store } of all) store.close()
    expect(await used.command("PING")).toBe("PONG")
  })

  it("forgets nothing that a living process knows when Redis is killed and comes back empty", async () => {
    const [one, other] = [process(appOf(kind)), process()]
    await isUp(one, other)
    await one.end("before")
    await everybodyKnows("before", other)
    await redis.kill()
    await isDown(one)
    await isDown(other)
    await Promise.all([one.end("in between"), other.end("in between too")])
    await redis.restart()
    await isUp(one, other)
    await everybodyKnows("in between too", one)
    await everybodyKnows("in between", other)
    const later = process(appOf(kind))
    for (const session of ["before", "in between", "in between too"]) await everybodyKnows(session, later)
    expect(typesOf(one)).toEqual(["shared_down", "shared_up"])
  })

  it("catches up after a connection was cut", async () => {
    const proxy = await startTcpProxy(redis.port)
    closing.push(proxy.close)
    const [one, other] = [process(appOf(kind, `redis://127.0.0.1:${proxy.port}`)), process()]
    await isUp(one, other)
    proxy.cut()
    await other.end("while it was cut")
    await everybodyKnows("while it was cut", one)
  })
})

describe("the store of a process", () => {
  it("keeps what is ended until then in one sorted set, which expires with the latest", async () => {
    const one = process()
    await isUp(one)
    const [soon, late] = [Math.ceil(Date.now() / 1000) + 60, Math.ceil(Date.now() / 1000) + 600]
    await one.end("late", late)
    await one.end("soon", soon)
    expect(await operator.command("ZRANGE", set, "0", "-1")).toEqual(['["session","soon"]', '["session","late"]'])
    expect(Number(await operator.command("EXPIRETIME", set))).toBe(late)
    expect(((await operator.command("KEYS", "*")) as string[]).sort()).toEqual([set])
  })

  it("removes what is over with each write", async () => {
    const one = process()
    await isUp(one)
    const seconds = Math.floor(Date.now() / 1000)
    await operator.command(
      "ZADD",
      set,
      String(seconds - 400),
      '["session","over"]',
      String(seconds - 1),
      '["session","just"]',
    )
    await one.end("session-1")
    expect(await operator.command("ZRANGE", set, "0", "-1")).toEqual(['["session","just"]', '["session","session-1"]'])
    expect(process().knows("just")).toBe(false)
  })

  it("shares every kind, and tells no realm what is of another", async () => {
    const [one, other, foreign] = [process(), process(), process(appOf(), {}, `${issuer}-2`)]
    await isUp(one, other, foreign)
    const [before, doubtUntil, until] = [1_796_000_000, 1_796_000_001, inAnHour()]
    const kept = [
      { kind: "session", issuer, session: 'a "quoted" {one}' },
      { kind: "client", issuer, session: "s", client: "c" },
      { kind: "token", issuer, tokenId: "onrtac:1" },
      { kind: "subject", issuer, subject: "u", before, doubtUntil },
      { kind: "issuer", issuer, before, doubtUntil },
    ] as const
    for (const revocation of kept) await one.store.publish(one.add(revocation, until))
    await expect.poll(() => other.known()).toEqual(kept.map(revocation => ({ revocation, until })))
    const later = process()
    await expect.poll(() => later.known()).toHaveLength(kept.length)
    expect(later.known()).toEqual(expect.arrayContaining(other.known() as never))
    expect(foreign.known()).toEqual([])
  })

  it("writes what is kept longer, and reads thousands in portions, many of one second", async () => {
    const one = process()
    const until = inAnHour()
    for (let at = 0; at < 3000; at++) one.add({ kind: "session", issuer, session: `session-${at}` }, until + (at % 3))
    await isUp(one)
    const other = process()
    await expect.poll(() => other.known().length).toBe(3000)
    await one.end("session-0", until + 500)
    await expect
      .poll(() => other.known())
      .toContainEqual({ revocation: { kind: "session", issuer, session: "session-0" }, until: until + 500 })
    one.add({ kind: "session", issuer, session: "session-1" }, until + 700)
    one.store.prolonged()
    await expect
      .poll(() => other.known())
      .toContainEqual({ revocation: { kind: "session", issuer, session: "session-1" }, until: until + 700 })
    expect(Number(await operator.command("ZCARD", set))).toBe(3000)
    expect(Number(await operator.command("EXPIRETIME", set))).toBe(until + 700)
  })

  it("writes again what was flushed from a Redis that lives on", async () => {
    const one = process()
    await isUp(one)
    await one.end("session-1")
    await operator.command("FLUSHALL")
    await expect.poll(() => operator.command("ZCARD", set)).toBe(1)
  })

  it("leaves alone what is none of ours, and tells it once", async () => {
    const [one, other] = [process(), process()]
    await isUp(one, other)
    const until = String(inAnHour())
    const odd = [
      "junk",
      "{}",
      "[]",
      "null",
      '["session"]',
      '["session",""]',
      '["session",7]',
      '["subject","u",1]',
      '["issuer","x",1]',
    ]
    for (const message of [
      "junk",
      "{}",
      '{"from":"x","kept":7}',
      ...odd.map(one => JSON.stringify({ from: "x", kept: [until, one] })),
    ])
      await operator.command("PUBLISH", news, message)
    for (const score of ["1e300", "-1e300", "inf"])
      await operator.command("PUBLISH", news, JSON.stringify({ from: "x", kept: [score, '["session","endless"]'] }))
    for (const member of odd) await operator.command("ZADD", set, until, member)
    const later = process()
    await isUp(later)
    await one.end("session-1")
    await everybodyKnows("session-1", other, later)
    for (const each of [one, other, later]) {
      expect(each.known()).toHaveLength(1)
      expect(typesOf(each)).toEqual(["shared_junk"])
    }
  })

  it("goes on telling others where something else has the key, and says so once", async () => {
    await operator.command("SET", set, "somebody else's")
    const [one, other] = [process(), process(appOf("redis 6"))]
    await isUp(one, other)
    await one.end("session-1")
    await one.end("session-2")
    await everybodyKnows("session-2", other)
    expect(await operator.command("GET", set)).toBe("somebody else's")
    expect(typesOf(one)).toEqual(["shared_junk"])
    await expect(process(appOf(), { failClosed: true }).end("session-3")).rejects.toMatchObject({
      code: "store_unavailable",
    })
  })

  it("marks a logout token once for all processes, and lets it pass where nobody can say", async () => {
    const [one, other] = [process(), process(appOf("redis 6"))]
    await isUp(one, other)
    const until = Date.now() / 1000 + 120
    const marks = await Promise.all([one, other, one, other].map(({ store }) => store.markLogoutToken("jti-1", until)))
    expect(marks.filter(isFirst => isFirst)).toHaveLength(1)
    expect(await other.store.markLogoutToken("jti-2", until)).toBe(true)
    const ttl = Number(await operator.command("TTL", `keycloak-gate:{${issuer}}:logout-token:jti-2`))
    expect(ttl).toBeGreaterThan(110)
    expect(ttl).toBeLessThanOrEqual(120)
    redis.freeze()
    expect(await ownTimeUntil(async () => one.store.markLogoutToken("jti-2", until))).toBeLessThan(900)
    redis.thaw()
  })

  it("keeps nobody waiting for longer than half a second, and refuses with failClosed alone", async () => {
    const [open, closed] = [process(), process(appOf("redis 6"), { failClosed: true })]
    expect([open.store.isUsable(), closed.store.isUsable()]).toEqual([true, false])
    await isUp(open, closed)
    expect(closed.store.isUsable()).toBe(true)
    redis.freeze()
    const took = await ownTimeUntil(async () => {
      await open.end("session-1")
      return true
    })
    expect(took).toBeLessThan(900)
    await expect(closed.end("session-2")).rejects.toMatchObject({ code: "store_unavailable", status: 503 })
    await isDown(open)
    await isDown(closed)
    expect([open.store.isUsable(), closed.store.isUsable()]).toEqual([true, false])
    expect(closed.store.whyUnusable()).toMatchObject({ code: "store_unavailable" })
    redis.thaw()
    await isUp(open, closed)
    await everybodyKnows("session-1", closed)
    await everybodyKnows("session-2", open)
    expect(closed.store.isUsable()).toBe(true)
  })

  it("notices a connection that stalls, and catches up when it flows again, whichever the client", async () => {
    const proxy = await startTcpProxy(redis.port)
    closing.push(proxy.close)
    const stalled = Object.keys(clients).map(kind => process(appOf(kind, `redis://127.0.0.1:${proxy.port}`)))
    const other = process()
    await isUp(other, ...stalled)
    proxy.stall()
    await other.end("while it stalled")
    const areDown = async () => stalled.every(({ store }) => store.state().store === "down")
    expect(await ownTimeUntil(areDown)).toBeLessThan(8000)
    // Nobody waits for a Redis that is known to be down.
    for (const [at, one] of stalled.entries()) await one.end(`by itself ${at}`)
    proxy.flow()
    await everybodyKnows("while it stalled", ...stalled)
    for (const at of stalled.keys()) await everybodyKnows(`by itself ${at}`, other)
  })

  it("writes at once what is ended before the first connection is made", async () => {
    const one = process()
    await one.end("session-1")
    expect(await operator.command("ZCARD", set)).toBe(1)
  })

  it("is told to be down once where Redis never was there, without an address or a password", async () => {
    const one = process(appOf("redis 6", "redis://default:hidden-word@127.0.0.1:1"))
    await isDown(one)
    await expect.poll(() => one.events.length).toBe(1)
    expect(one.events[0]).toMatchObject({ type: "shared_down", error: { code: "store_unavailable" } })
    expect(JSON.stringify(one.events) + String(Object.values(one.events[0] ?? {}))).not.toMatch(/hidden-word/)
  })

  it("is down where Redis wants a password that the client does not have, and up once it has", async () => {
    const guarded = await startRedis("--requirepass", "hidden-word")
    const [without, wrong] = [
      process(appOf("ioredis 6", guarded.url)),
      process(appOf("redis 6", `redis://:wrong@127.0.0.1:${guarded.port}`)),
    ]
    const right = process(appOf("redis 5", `redis://:hidden-word@127.0.0.1:${guarded.port}`))
    await isDown(without)
    await isDown(wrong)
    await isUp(right)
    for (const { events } of [without, wrong])
      expect(String(Object.values(events[0] ?? {}))).not.toMatch(/hidden-word|wrong@/)
    await guarded.stop()
  })
})
