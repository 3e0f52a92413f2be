import { GateError } from "../errors.js"
import { kindOf } from "../option-reader.js"
import type { OpenConnection } from "./connection.js"
import { type IoRedis, ioRedisConnection } from "./ioredis.js"
import { type NodeRedis, nodeRedisConnection } from "./node-redis.js"

/** A client of `redis` (node-redis) 4, 5 or 6, as `createClient` makes it. */
export interface NodeRedisClient {
  /** Tells it from other clients; its value does not matter. */
  readonly isOpen: boolean
  /** Makes the connections that are used. */
  readonly duplicate: (...overrides: never[]) => unknown
  /** Sends a command. */
  readonly sendCommand: (...given: never[]) => unknown
}

/** A client of `ioredis` 5 or 6, as `new Redis()` makes it. */
export interface IoRedisClient {
  /** Tells it from other clients; its value does not matter. */
  readonly status: string
  /** Makes the connections that are used. */
  readonly duplicate: (...overrides: never[]) => unknown
  /** Sends a command. */
  readonly call: (...given: never[]) => unknown
}

/** @throws {GateError} `config_invalid` for anything but a client of one server */
export function readRedisClient(client: unknown): OpenConnection {
  const problem = whyNot(client)
  if (problem !== null) {
    const message = `redisShared expects a client of \`redis\` (4, 5, 6) or \`ioredis\` (5, 6) for its first argument, \`client\`, got ${problem}.`
    throw new GateError("config_invalid", message, { fields: [{ field: "client", rule: "option", params: [] }] })
  }
  return isNodeRedis(client) ? nodeRedisConnection(client) : ioRedisConnection(client as IoRedis)
}

function whyNot(client: unknown): string | null {
  if (typeof client !== "object" || client === null) return kindOf(client)
  const has = (...names: readonly string[]) => names.some(name => name in client)
  const single = "give it a client of one server, or of what answers as one"
  if ((has("isCluster") && (client as { isCluster?: unknown }).isCluster === true) || has("getRandomNode", "masters"))
    return `a Redis Cluster client; ${single}`
  if (has("getMasterNode", "getSentinelNode"))
    return `a client of sentinels; ${single} (ioredis knows sentinels by itself)`
  if (has("totalClients", "tasksQueueLength")) return `a pool of clients; ${single}`
  return isNodeRedis(client) || isIoRedis(client) ? null : kindOf(client)
}

function isNodeRedis(client: unknown): client is NodeRedis {
  return (
    isLike(client, ["duplicate", "connect", "sendCommand", "subscribe", "on"]) &&
    typeof memberOf(client, "isOpen") === "boolean"
  )
}

function isIoRedis(client: unknown): client is IoRedis {
  return (
    isLike(client, ["duplicate", "connect", "call", "subscribe", "on"]) &&
    typeof memberOf(client, "status") === "string"
  )
}

function isLike(client: unknown, functions: readonly string[]): boolean {
  return functions.every(name => typeof memberOf(client, name) === "function")
}

function memberOf(client: unknown, name: string): unknown {
  return (client as Readonly<Record<string, unknown>>)[name]
}
