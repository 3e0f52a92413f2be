import { type AdminAnswer, type AdminApi, accountPath } from "../../keycloak/admin-api.js"
import { lacksManageUsers } from "../../keycloak/set-up-errors.js"
import { readKeycloakError } from "../../keycloak/words.js"

export interface AccountSessions {
  /** Ends every one, offline ones too; an account that is gone has none. */
  readonly endSessions: (id: string) => Promise<void>
  /** Ends those that began until then, to the second. */
  readonly endSessionsUntil: (id: string, until: Date) => Promise<void>
}

interface Session {
  readonly id: string
  /** Milliseconds since 1970, of the full second in which it began. */
  readonly start?: number
}

interface Consent {
  /** The clients, by UUID, that hold offline sessions. */
  readonly additionalGrants?: readonly { readonly client: string }[]
}

/** The sessions of an account, and their end; an account that is gone has none. */
export function createAccountSessions({ ask, command, refusal, segment }: AdminApi): AccountSessions {
  async function list<Item>(path: string): Promise<readonly Item[]> {
    const answer = await ask("GET", path)
    if (isGone(answer)) return []
    if (answer.status !== 200 || !Array.isArray(answer.data)) throw refusal(answer, lacksManageUsers)
    return answer.data
  }

  async function end({ id }: Session, isOffline: boolean): Promise<void> {
    const answer = await ask("DELETE", `/sessions/${segment(id)}?isOffline=${isOffline}`)
    if (answer.status !== 204 && !isGone(answer)) throw refusal(answer, lacksManageUsers)
  }

  /** They outlive Keycloak's logout of a user (26.7.4); which clients have some is told with the consents. */
  async function endOffline(id: string, isMeant: (session: Session) => boolean): Promise<void> {
    const consents = await list<Consent>(`${accountPath(id)}/consents`)
    for (const { client } of consents.flatMap(({ additionalGrants }) => additionalGrants ?? [])) {
      const path = `${accountPath(id)}/offline-sessions/${segment(client)}`
      for (const session of await list<Session>(path)) if (isMeant(session)) await end(session, true)
    }
  }

  return {
    async endSessions(id) {
      if (await command("POST", `${accountPath(id)}/logout`)) await endOffline(id, () => true)
    },
    async endSessionsUntil(id, until) {
      const isMeant = ({ start = 0 }: Session) => start <= until.getTime()
      const sessions = await list<Session>(`${accountPath(id)}/sessions`)
      for (const session of sessions) if (isMeant(session)) await end(session, false)
      await endOffline(id, isMeant)
    },
  }
}

/** Keycloak's 404 for what is to be ended; the realm's own says nothing about it. */
function isGone({ status, data }: AdminAnswer): boolean {
  const { kind } = readKeycloakError(status, data)
  return kind === "account_absent" || kind === "client_absent" || kind === "session_absent"
}
