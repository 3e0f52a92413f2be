import { Redis } from "ioredis"
import { Redis as Redis5 } from "ioredis5"
import { createClient } from "redis"
import { createClient as createClient4 } from "redis4"
import { createClient as createClient5 } from "redis5"
import type { IoRedisClient, NodeRedisClient } from "../../src/redis/redis-shared.js"

/** An application's own client, with default options. */
export interface AppClient {
  readonly client: NodeRedisClient | IoRedisClient
  readonly command: (...command: [string, ...string[]]) => Promise<unknown>
  /** Has its connection listen to a channel. */
  readonly listen: () => Promise<unknown>
  readonly close: () => Promise<void>
}

/** The same in all versions, though not their types. */
interface NodeRedis {
  readonly isOpen: boolean
  readonly on: (event: "error", listener: () => void) => unknown
  readonly connect: () => Promise<unknown>
  readonly sendCommand: (command: string[]) => Promise<unknown>
  readonly subscribe: (channel: string, hear: () => void) => Promise<unknown>
  readonly disconnect: () => Promise<unknown>
}

function nodeRedis(client: NodeRedisClient, control: NodeRedis): AppClient {
  control.on("error", () => undefined)
  return {
    client,
    async command(...command) {
      if (!control.isOpen) await control.connect()
      return control.sendCommand(command)
    },
    listen: () => control.subscribe("anything", () => undefined),
    close: async () => void (control.isOpen && (await control.disconnect())),
  }
}

function ioRedis(client: Redis | Redis5): AppClient {
  client.on("error", () => undefined)
  return {
    client,
    command: (name, ...given) => client.call(name, ...given),
    listen: () => client.subscribe("anything"),
    close: async () => client.disconnect(),
  }
}

/** Every kind that is supported. */
export const clients: Readonly<Record<string, (url: string) => AppClient>> = {
  "redis 6": url => {
    const client = createClient({ url })
    return nodeRedis(client, client as never)
  },
  "redis 5": url => {
    const client = createClient5({ url })
    return nodeRedis(client, client as never)
  },
  "redis 4": url => {
    const client = createClient4({ url })
    return nodeRedis(client, client as never)
  },
  "ioredis 6": url => ioRedis(new Redis(url)),
  "ioredis 5": url => ioRedis(new Redis5(url)),
}
