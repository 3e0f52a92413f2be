import { randomUUID } from "node:crypto"
import { GateError } from "../errors.js"
import type { KeptRevocation } from "../sessions/revocation.js"
import type { SharedState, SharedStore, SharingGate } from "../sessions/shared.js"
import type { OpenConnection } from "./connection.js"
import { createLink, type Link } from "./link.js"
import { countRevoked, isForeignKey, markToken, portion, readRevoked, writeRevoked } from "./revoked-set.js"
import { type RedisNames, readNews } from "./stored.js"
import { createWaits } from "./waits.js"

export interface SharedStoreParts {
  readonly gate: SharingGate
  readonly open: OpenConnection
  readonly names: RedisNames
  readonly failClosed: boolean
}

/** Who ends a session waits no longer for Redis: Keycloak waits 5 s for the answer to a logout token. */
const writeMs = 500
const beatEveryMs = 2000
const beatMs = 3000
const pausesMs = [50, 200, 500, 1000, 2000]
const maxWrites = 1000

/**
 * What one process knows and what Redis knows, kept alike.
 *
 * It listens first, then reads, then writes back all that it knows: so nothing is forgotten as long as one process that
 * knew it lives, whatever becomes of Redis. Each time that it hears its own heartbeat, both connections have worked.
 */
export function createSharedStore({ gate, open, names, failClosed }: SharedStoreParts): SharedStore {
  const { issuer, now, elapsed } = gate
  const id = randomUUID()
  const beats = `${names.news}:${id}`
  const waits = createWaits()
  let link: Link | null = null
  let store: SharedState["store"] = "unknown"
  let since: Date | null = null
  let downSinceMs = 0
  let lastError: unknown = null
  let isClosed = false
  /** Something is not written that is to be. */
  let isBehind = false
  let isJunkTold = false
  /** Something else has the key, so nothing is kept. */
  let isForeign = false
  let writes = 0
  let beat = 0
  let heard: () => void = () => undefined
  let cameUp: () => void = () => undefined
  const up = new Promise<void>(resolve => {
    cameUp = resolve
  })

  async function run(): Promise<void> {
    for (let tries = 0; !isClosed; tries++) {
      const current = createLink(open)
      link = current
      try {
        await current.begin([names.news, beats], hear)
        await catchUp(current)
        await writeBack(current)
        setUp()
        tries = 0
        for (;;) {
          if (isBehind) await writeBack(current)
          await current.waits.pause(beatEveryMs)
          await keepUp(current)
        }
      } catch (error) {
        setDown(error)
      }
      current.end()
      await waits.pause(pausesMs[Math.min(tries, pausesMs.length - 1)] ?? 0).catch(() => undefined) // closed
    }
  }

  async function keepUp(current: Link): Promise<void> {
    beat++
    const echo = new Promise<void>(resolve => {
      heard = resolve
    })
    await current.send(["PUBLISH", beats, String(beat)])
    await current.waits.within(beatMs, echo)
    if (await isLost(current)) await writeBack(current)
  }

  /** Redis lives, and what was in it is gone: flushed, or pushed out. */
  async function isLost({ send }: Link): Promise<boolean> {
    const [one] = gate.all()
    if (one === undefined) return false
    return (await unlessForeign(() => countRevoked(send, names))) === 0
  }

  function hear(channel: string, message: string): void {
    if (channel === beats) {
      if (message === String(beat)) heard()
      return
    }
    if (channel !== names.news) return
    const news = readNews(message, issuer)
    if (news === null) junk(`a message in the channel ${names.news}`)
    else if (news.from !== id) take(news.kept, news.isNew ? "pushed" : "read", `a message in the channel ${names.news}`)
  }

  function take(all: readonly (KeptRevocation | null)[], how: "pushed" | "read", where: string): void {
    for (const kept of all) {
      if (kept === null) junk(where)
      else if (kept.until * 1000 > now()) gate.take(kept, how)
    }
  }

  async function catchUp({ send }: Link): Promise<void> {
    await unlessForeign(async () => {
      for await (const some of readRevoked(send, names, issuer, now() / 1000)) {
        take(some, "read", `a member of the key ${names.revoked}`)
      }
    })
  }

  async function writeBack({ send }: Link): Promise<void> {
    isBehind = false
    let some: KeptRevocation[] = []
    async function write(): Promise<void> {
      const kept = some
      some = []
      await unlessForeign(() => writeRevoked(send, names, { kept, from: id, isNew: false, now: now() / 1000 }))
    }
    for (const kept of gate.all()) {
      some.push(kept)
      if (some.length === portion) await write()
    }
    if (some.length > 0) await write()
  }

  /** What can't be kept there is still told to the others. */
  async function unlessForeign<Value>(work: () => Promise<Value>): Promise<Value | null> {
    try {
      const value = await work()
      isForeign = false
      return value
    } catch (error) {
      if (!isForeignKey(error)) throw error
      isForeign = true
      junk(`the key ${names.revoked}, which is no sorted set: ended sessions are told to the others, and not kept`)
      return null
    }
  }

  function junk(what: string): void {
    if (!isJunkTold) gate.report({ type: "shared_junk", error: foreign(what) })
    isJunkTold = true
  }

  function setUp(): void {
    cameUp()
    if (store === "down" && since !== null) {
      const downSeconds = Math.round(elapsed() - downSinceMs) / 1000
      gate.report({ type: "shared_up", downSince: since, downSeconds })
    }
    store = "up"
    since = new Date(now())
  }

  function setDown(error: unknown): void {
    lastError = error
    if (isClosed || store === "down") return
    store = "down"
    since = new Date(now())
    downSinceMs = elapsed()
    gate.report({ type: "shared_down", since, error: unreachable(error, failClosed) })
  }

  async function write(kept: KeptRevocation): Promise<void> {
    if (link === null || store === "unknown") {
      // All that is known is written with the first connection.
      await waits.within(writeMs, up, true)
      if (isForeign) throw new Error("not kept")
      return
    }
    if (store === "down") throw lastError
    if (writes >= maxWrites) throw new Error("too much is being written")
    writes++
    const written = writeRevoked(link.send, names, { kept: [kept], from: id, isNew: true, now: now() / 1000 })
    await waits.within(writeMs, written, true).finally(() => {
      writes--
    })
  }

  // After the call that joins.
  setImmediate(() => void run()).unref()

  return {
    async publish(kept) {
      try {
        await write(kept)
      } catch (error) {
        isBehind = true
        if (isForeignKey(error)) junk(`the key ${names.revoked}, which is no sorted set`)
        if (failClosed) throw unreachable(error, failClosed)
      }
    },
    async markLogoutToken(jti, until) {
      if (link === null || store === "down") return true
      return waits.within(writeMs, markToken(link.send, names, jti, until * 1000 - now()), true).catch(() => true)
    },
    prolonged() {
      isBehind = true
    },
    isUsable: () => !failClosed || store === "up",
    whyUnusable: () => unreachable(lastError, failClosed),
    state: () => ({ store, since }),
    close() {
      isClosed = true
      waits.endAll(new Error("closed"))
      link?.end()
    },
  }
}

function unreachable(error: unknown, failClosed: boolean): GateError {
  const what = failClosed
    ? "Requests are refused until it is back (`failClosed`)."
    : "Sessions that other processes end are not known here until it is back. What this process ends is written then."
  return new GateError("store_unavailable", `Redis (option \`shared\`) does not answer: ${nameOf(error)}. ${what}`)
}

function foreign(what: string): GateError {
  return new GateError(
    "config_invalid",
    `Something else has written into Redis what is there for ended sessions: ${what}. It is left alone. Give \`redisShared\` a ` +
      "`prefix` that nothing else has.",
  )
}

/** Not the message: Redis may quote what it was sent. */
function nameOf(error: unknown): string {
  if (error === null) return "it was not asked yet"
  const { code, message = "" } = (error ?? {}) as { readonly code?: unknown; readonly message?: string }
  if (typeof code === "string" && /^[A-Z_]{2,40}$/.test(code)) return code
  if (/^no answer within \d+ ms$/.test(message)) return message
  return /^[A-Z]{2,20}(?= )/.exec(message)?.[0] ?? "the connection was lost"
}
