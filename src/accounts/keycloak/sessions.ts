import { accountPath, toList } from "../../keycloak/admin-api.js"
import type { Channel } from "./channel.js"

/** A session of a person, as Keycloak keeps it. */
export interface AccountSession {
  /** The `sid` of its tokens. An offline session has the id of the browser session that it began in. */
  readonly id: string
  /** To the second. */
  readonly startedAt: Date
  /** When Keycloak last gave tokens for it, to the second: it does not hear of the requests that they come with. */
  readonly lastSeenAt: Date
  /** Where the login came from, as Keycloak saw it; null where it does not say. */
  readonly ipAddress: string | null
  /** The Client IDs of those that have tokens of it, sorted. */
  readonly clients: readonly string[]
  /** Whether it was begun with the scope `offline_access`, and so outlives a logout. */
  readonly offline: boolean
}

/** As Keycloak shows one; an offline one is in the list of each client that has tokens of it. */
interface Session {
  readonly id: string
  /** Milliseconds since 1970, of the full second in which it began. */
  readonly start?: number
  readonly lastAccess?: number
  readonly ipAddress?: string
  /** Client IDs, by UUID. */
  readonly clients?: Readonly<Record<string, string>>
}

interface Consent {
  /** The clients, by UUID, that hold offline sessions. */
  readonly additionalGrants?: readonly { readonly client: string }[]
}

/** Ends every session of an account, offline ones too; an account that is gone has none. */
export async function endSessions(channel: Channel, id: string): Promise<void> {
  const outcome = await channel.api.command("POST", `${accountPath(id)}/logout`)
  if (outcome === "done")
    for (const session of await listOffline(channel, id)) await endSession(channel, session.id, true)
}

/** Ends those that began until then, to the second; `ended` hears of each. */
export async function endSessionsUntil(
  channel: Channel,
  id: string,
  until: Date,
  ended: (session: string) => Promise<void>,
): Promise<void> {
  async function end(session: Session, isOffline: boolean): Promise<void> {
    if ((session.start ?? 0) > until.getTime()) return
    await endSession(channel, session.id, isOffline)
    await ended(session.id)
  }
  for (const session of await listOnline(channel, id)) await end(session, false)
  for (const session of await listOffline(channel, id)) await end(session, true)
}

/** All sessions of an account, offline ones too; an account that is gone has none. */
export async function listSessions(channel: Channel, id: string): Promise<readonly AccountSession[]> {
  const online = (await listOnline(channel, id)).map(session => toSession(channel, session, false))
  const offline = new Map<string, AccountSession>()
  for (const session of await listOffline(channel, id)) {
    const shown = toSession(channel, session, true)
    offline.set(shown.id, merged(offline.get(shown.id) ?? shown, shown))
  }
  return [...online, ...offline.values()]
}

/** Ends one; one that has ended already is fine. */
export async function endSession({ api }: Channel, id: string, isOffline: boolean): Promise<void> {
  await api.command("DELETE", `/sessions/${api.segment(id)}?isOffline=${isOffline}`)
}

function listOnline(channel: Channel, id: string): Promise<readonly Session[]> {
  return list<Session>(channel, `${accountPath(id)}/sessions`)
}

/** They outlive Keycloak's logout of a user (26.7.4); which clients have some is told with the consents. */
async function listOffline(channel: Channel, id: string): Promise<readonly Session[]> {
  const consents = await list<Consent>(channel, `${accountPath(id)}/consents`)
  const found: Session[] = []
  for (const { client } of consents.flatMap(({ additionalGrants }) => additionalGrants ?? [])) {
    const path = `${accountPath(id)}/offline-sessions/${channel.api.segment(client)}`
    found.push(...(await list<Session>(channel, path)))
  }
  return found
}

async function list<Item>({ api }: Channel, path: string): Promise<readonly Item[]> {
  return (await api.read(path, data => (isListOfObjects(data) ? toList<Item>(data) : null))) ?? []
}

function isListOfObjects(data: unknown): boolean {
  return Array.isArray(data) && data.every(one => typeof one === "object" && one !== null)
}

function toSession({ api }: Channel, shown: Session, offline: boolean): AccountSession {
  const { id, start, lastAccess, ipAddress, clients } = shown
  if (typeof id !== "string" || !isMoment(start) || !isMoment(lastAccess)) throw api.notKeycloak()
  return Object.freeze({
    id,
    startedAt: new Date(start),
    lastSeenAt: new Date(lastAccess),
    ipAddress: typeof ipAddress === "string" && ipAddress !== "" ? ipAddress : null,
    clients: Object.freeze(
      Object.values(clients ?? {})
        .map(String)
        .sort(),
    ),
    offline,
  })
}

function isMoment(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value)
}

function merged(one: AccountSession, other: AccountSession): AccountSession {
  const clients = Object.freeze([...new Set([...one.clients, ...other.clients])].sort())
  const lastSeenAt = new Date(Math.max(one.lastSeenAt.getTime(), other.lastSeenAt.getTime()))
  return Object.freeze({ ...one, clients, lastSeenAt })
}
