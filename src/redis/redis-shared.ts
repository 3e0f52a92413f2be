import { readOptions } from "../option-reader.js"
import type { SharedRevocations } from "../sessions/shared.js"
import { type IoRedisClient, type NodeRedisClient, readRedisClient } from "./redis-client.js"
import { createSharedStore } from "./shared-store.js"
import { namesOf } from "./stored.js"

export type { SharedRevocations } from "../sessions/shared.js"
export type { IoRedisClient, NodeRedisClient } from "./redis-client.js"

/** How ended sessions are shared. */
export interface RedisSharedOptions {
  /** What the names of keys and channels begin with; default `"keycloak-gate"`. Gates of one realm share under one prefix. */
  readonly prefix?: string | undefined
  /**
   * Whether requests are refused (503, `store_unavailable`) while Redis does not answer; default false: what this process
   * knows goes on to count.
   */
  readonly failClosed?: boolean | undefined
}

/**
 * Ended sessions that all processes of an application know of, through its own Redis: for the option `shared` of `createGate`.
 *
 * The client may be in any state, and stays as it is: two connections are made with its settings by `duplicate()`, and ended
 * by `close()` of the gate. Redis may lose everything: each process writes back what it knows. Clients of a Redis Cluster, of
 * node-redis' sentinels and pools of clients are refused.
 *
 * @throws {GateError} `config_invalid` for anything but such a client, or a wrong option
 * @example
 * const gate = createGate({ ...optionsFromEnv(process.env), shared: redisShared(new Redis(process.env.REDIS_URL)) })
 */
export function redisShared(
  client: NodeRedisClient | IoRedisClient,
  options: RedisSharedOptions = {},
): SharedRevocations {
  const open = readRedisClient(client)
  const { prefix, failClosed } = readOptions("redisShared", options, given => ({
    prefix: given.one(
      "prefix",
      "keycloak-gate",
      "1 to 200 characters without { or }, blanks and control characters",
      isPrefix,
    ),
    failClosed: given.boolean("failClosed", false),
  }))
  return Object.freeze<SharedRevocations>({
    join: gate => createSharedStore({ gate, open, names: namesOf(prefix, gate.issuer), failClosed }),
  })
}

// Braces would be the hash tag in place of the realm's.
function isPrefix(found: unknown): boolean {
  return typeof found === "string" && found.length <= 200 && /^[^\p{C}\p{Z}{}]+$/u.test(found)
}
