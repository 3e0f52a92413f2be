import { describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { redisShared } from "../../src/redis/redis-shared.js"
import { startTestRealm } from "../../src/testing/index.js"
import { startRedis } from "../support/redis.ts"
import { type AppClient, clients } from "./clients.ts"

const like = (more: object) => ({ duplicate() {}, connect() {}, subscribe() {}, on() {}, ...more })

describe("redisShared", () => {
  it.each([
    ["nothing", undefined, /undefined/],
    ["null", null, /null/],
    ["a text, which it does not show", "redis://:hidden-word@localhost", /a string/],
    ["an object of something else", {}, /an object/],
    ["a function", () => undefined, /a function/],
    ["half a client", { isOpen: true, duplicate() {}, sendCommand() {} }, /an object/],
    ["a Redis Cluster of ioredis", like({ isCluster: true, status: "ready", call() {} }), /Redis Cluster/],
    ["a Redis Cluster of node-redis", like({ getRandomNode() {}, sendCommand() {}, isOpen: true }), /Redis Cluster/],
    ["sentinels of node-redis", like({ getMasterNode() {}, sendCommand() {}, isOpen: true }), /sentinels/],
    ["a pool of node-redis", like({ totalClients: 1, sendCommand() {}, isOpen: true }), /pool/],
  ])("refuses %s by name", (_, client, says) => {
    const make = () => redisShared(client as never)
    expect(make).toThrow(says)
    expect(make).toThrow(
      expect.objectContaining({ code: "config_invalid", fields: [{ field: "client", rule: "option", params: [] }] }),
    )
    expect(make).not.toThrow(/hidden-word/)
  })

  const client = like({ call() {}, status: "wait" }) as never
  it.each([
    [{ prefix: "" }, "prefix"],
    [{ prefix: 7 }, "prefix"],
    [{ prefix: null }, "prefix"],
    [{ prefix: "a{b}" }, "prefix"],
    [{ prefix: "a b" }, "prefix"],
    [{ prefix: "x".repeat(201) }, "prefix"],
    [{ failClosed: "yes" }, "failClosed"],
    [{ failclosed: true }, "failclosed"],
    ["keycloak", "options"],
    [null, "options"],
  ])("refuses the options %j", (options, field) => {
    const fields = [{ field, rule: "option", params: [] }]
    expect(() => redisShared(client, options as never)).toThrow(
      expect.objectContaining({ code: "config_invalid", fields }),
    )
  })

  it("makes no connection before a gate is made, and takes undefined for what is not given", () => {
    const untouched = like({ call() {}, status: "wait", duplicate: () => expect.unreachable() })
    redisShared(untouched as never, { prefix: undefined, failClosed: undefined })
  })
})

describe("a gate with redisShared", () => {
  it("refuses with 503 while Redis is away and failClosed, says how it stands, and leaves nothing behind", async () => {
    const redis = await startRedis()
    const realm = await startTestRealm()
    realm.addUser({ username: "ada" })
    const token = `Bearer ${await realm.issueToken("ada")}`
    const app = (clients["redis 6"] as (url: string) => AppClient)(redis.url)
    const shared = redisShared(app.client, { prefix: "shop", failClosed: true })
    const [gate, alone] = [{ shared }, {}].map(more =>
      createGate({ ...realm.gateOptions, ...more, onEvent: () => undefined }),
    )
    if (gate === undefined || alone === undefined) return
    expect(alone.health().shared).toBeNull()
    await expect.poll(() => gate.health().shared).toEqual({ store: "up", since: expect.any(Date) })
    await gate.verifyBearer(token, {})
    await gate.revoke({ tokenId: "some-token" })
    expect(await app.command("KEYS", "*")).toEqual([`shop:{${realm.issuer}}:revoked`])

    await redis.kill()
    await expect.poll(() => gate.health().shared?.store).toBe("down")
    await expect(gate.verifyBearer(token, {})).rejects.toMatchObject({ code: "store_unavailable", status: 503 })
    await redis.restart()
    await expect.poll(() => gate.health().shared?.store).toBe("up")
    await gate.verifyBearer(token, {})

    await gate.close()
    await app.command("PING")
    const connections = async () =>
      String(await app.command("CLIENT", "LIST"))
        .trim()
        .split("\n").length
    await expect.poll(connections).toBe(1)
    await alone.close()
    await app.close()
    await redis.stop()
    await realm.stop()
  })
})
