import { accountPath, toList } from "../../keycloak/admin-api.js"
import type { Channel } from "./channel.js"

interface Session {
  readonly id: string
  /** Milliseconds since 1970, of the full second in which it began. */
  readonly start?: number
}

interface Consent {
  /** The clients, by UUID, that hold offline sessions. */
  readonly additionalGrants?: readonly { readonly client: string }[]
}

/** Ends every session of an account, offline ones too; an account that is gone has none. */
export async function endSessions(channel: Channel, id: string): Promise<void> {
  const outcome = await channel.api.command("POST", `${accountPath(id)}/logout`)
  if (outcome === "done") await endOffline(channel, id, () => true)
}

/** Ends those that began until then, to the second. */
export async function endSessionsUntil(channel: Channel, id: string, until: Date): Promise<void> {
  const isMeant = ({ start = 0 }: Session) => start <= until.getTime()
  const sessions = await list<Session>(channel, `${accountPath(id)}/sessions`)
  for (const session of sessions) if (isMeant(session)) await end(channel, session, false)
  await endOffline(channel, id, isMeant)
}

/** They outlive Keycloak's logout of a user (26.7.4); which clients have some is told with the consents. */
async function endOffline(channel: Channel, id: string, isMeant: (session: Session) => boolean): Promise<void> {
  const consents = await list<Consent>(channel, `${accountPath(id)}/consents`)
  for (const { client } of consents.flatMap(({ additionalGrants }) => additionalGrants ?? [])) {
    const path = `${accountPath(id)}/offline-sessions/${channel.api.segment(client)}`
    for (const session of await list<Session>(channel, path)) if (isMeant(session)) await end(channel, session, true)
  }
}

async function list<Item>({ api }: Channel, path: string): Promise<readonly Item[]> {
  return (await api.read(path, toList<Item>)) ?? []
}

async function end({ api }: Channel, { id }: Session, isOffline: boolean): Promise<void> {
  await api.command("DELETE", `/sessions/${api.segment(id)}?isOffline=${isOffline}`)
}
