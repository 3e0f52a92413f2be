import type { KeptRevocation } from "../sessions/revocation.js"
import { type RedisNames, readKept, toMember } from "./stored.js"

/** Sends a command, which answers in bounded time or fails. */
export type Send = (command: readonly string[]) => Promise<unknown>

// One step, so that the set never expires before the latest of it. What changes nothing is told to nobody: after an outage
// every process writes back what it knows.
const writing = `
local foreign = redis.call('TYPE', KEYS[1]).ok
foreign = foreign ~= 'zset' and foreign ~= 'none'
local changed = {}
for at = 5, #ARGV, 2 do
  local known = not foreign and redis.call('ZSCORE', KEYS[1], ARGV[at + 1])
  if not known or tonumber(known) < tonumber(ARGV[at]) then
    if not foreign then redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1]) end
    changed[#changed + 1] = ARGV[at]
    changed[#changed + 1] = ARGV[at + 1]
  end
end
if #changed > 0 then redis.call('PUBLISH', ARGV[1], cjson.encode({ from = ARGV[2], how = ARGV[3], kept = changed })) end
if foreign then return redis.error_reply('WRONGTYPE of the key for revocations') end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then redis.call('EXPIREAT', KEYS[1], math.ceil(tonumber(last[2]))) end
return #changed / 2
`

export interface Written {
  readonly kept: readonly KeptRevocation[]
  /** Who writes it. */
  readonly from: string
  /** Whether it was revoked just now. */
  readonly isNew: boolean
  /** Seconds since 1970. */
  readonly now: number
}

// For other processes, whose clocks may be behind.
const trimAfterSeconds = 300

/** Writes revocations, tells others of those that are new there, and removes what is over. */
export async function writeRevoked(send: Send, names: RedisNames, { kept, from, isNew, now }: Written): Promise<void> {
  const pairs = kept.flatMap(({ revocation, until }) => [String(until), toMember(revocation)])
  const trimBefore = String(Math.floor(now) - trimAfterSeconds)
  await send(["EVAL", writing, "1", names.revoked, names.news, from, isNew ? "new" : "again", trimBefore, ...pairs])
}

/** As many as a command takes or brings: Redis serves others meanwhile. */
export const portion = 500
// What is prolonged moves behind, and others move up.
const overlap = 100

/** All that is in force by `now`, seconds since 1970, in portions; null for what is no revocation. Some come twice. */
export async function* readRevoked(
  send: Send,
  { revoked }: RedisNames,
  issuer: string,
  now: number,
): AsyncGenerator<readonly (KeptRevocation | null)[]> {
  let from = String(Math.floor(now))
  let skip = 0
  for (;;) {
    const limit = ["LIMIT", String(Math.max(0, skip - overlap)), String(portion + overlap)]
    const answer = await send(["ZRANGEBYSCORE", revoked, from, "+inf", "WITHSCORES", ...limit])
    const pairs = pairsOf(answer)
    if (pairs.length > 0) yield pairs.map(([member, score]) => readKept(member, score, issuer))
    const last = pairs.at(-1)?.[1]
    if (last === undefined || pairs.length < portion) return
    const ofLast = pairs.filter(([, score]) => score === last).length
    skip = last === from ? Math.max(0, skip - overlap) + ofLast : ofLast
    from = last
  }
}

/** Members with their scores: flat in RESP2, in pairs in RESP3. */
function pairsOf(answer: unknown): readonly (readonly [member: string, score: string])[] {
  const flat = Array.isArray(answer) ? answer.flat().map(String) : []
  return flat.flatMap((member, at) => (at % 2 === 0 ? [[member, flat[at + 1] ?? ""] as const] : []))
}

/** How many there are. */
export async function countRevoked(send: Send, { revoked }: RedisNames): Promise<number> {
  return Number(await send(["ZCARD", revoked]))
}

/** Marks a logout token for so long; whether nobody had. */
export async function markToken(send: Send, names: RedisNames, jti: string, lifeMs: number): Promise<boolean> {
  const px = String(Math.max(1000, Math.ceil(lifeMs)))
  return (await send(["SET", names.logoutToken(jti), "1", "NX", "PX", px])) !== null
}

/** Something else has the name of the set. */
export function isForeignKey(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("WRONGTYPE")
}
