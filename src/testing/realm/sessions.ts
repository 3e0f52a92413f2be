import { randomBytes } from "node:crypto"
import type { Account } from "./accounts.js"

export type Notes = Readonly<Record<string, string>>

/** A login of a person, or of a client that wants refresh tokens; tokens of one or several clients belong to it. */
export interface Session {
  readonly id: string
  readonly account: Account
  readonly startedAt: number
  readonly isOffline: boolean
  /** What is remembered of the login itself, for mappers. */
  readonly notes: Notes
  lastRefreshAt: number
  /** Per client: when it joined, and which refresh token may be used next under `revokeRefreshToken`. */
  readonly clients: Map<string, ClientSession>
}

export interface ClientSession {
  readonly startedAt: number
  lastRefreshToken: { readonly id: string; uses: number } | null
}

export interface Sessions {
  readonly start: (account: Account, clientId: string, isOffline: boolean, notes?: Notes) => Session
  readonly byId: (id: string) => Session | undefined
  readonly of: (account: Account) => readonly Session[]
  readonly end: (session: Session) => void
  readonly endAll: (account: Account) => void
}

export function createSessions(): Sessions {
  const sessions = new Map<string, Session>()
  const of = (account: Account) => [...sessions.values()].filter(session => session.account === account)
  return {
    start(account, clientId, isOffline, notes = {}) {
      const id = randomBytes(18).toString("base64url")
      const startedAt = Math.floor(Date.now() / 1000)
      const clients = new Map([[clientId, { startedAt, lastRefreshToken: null }]])
      const session: Session = { id, account, startedAt, isOffline, notes, lastRefreshAt: startedAt, clients }
      sessions.set(id, session)
      return session
    },
    byId: id => sessions.get(id),
    of,
    end: session => void sessions.delete(session.id),
    endAll(account) {
      for (const session of of(account)) sessions.delete(session.id)
    },
  }
}
