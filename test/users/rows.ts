import type { GateEvent } from "../../src/events.js"
import { createBoundedStore } from "../../src/users/bounded-store.js"
import { type CustomSettings, createCustomReader } from "../../src/users/custom-profile.js"
import { createUserRows, type UserRows } from "../../src/users/user-rows.js"
import type { UserIdentity, UserProfile, UserStore } from "../../src/users/user-store.js"
import type { Claims } from "../../src/verify/claims.js"
import { type Principal, toPrincipal } from "../../src/verify/principal.js"
import type { AskAlive } from "../../src/verify/session/account-alive.js"

export const issuer = "https://sso.example.test/realms/shop"
export const ada: UserIdentity = { issuer, subject: "s1" }

const told = {
  scope: "profile email",
  preferred_username: "ada",
  email: "ada@example.test",
  email_verified: true,
  given_name: "Ada",
  family_name: "L",
}

/** Whose token was issued at second 1000, unless its claims say otherwise. */
export function principal(changes: Record<string, unknown> = {}, token = "t"): Principal<null> {
  const claims = { iss: issuer, sub: "s1", exp: 2_000_000_000, iat: 1000, sid: "x", ...told, ...changes }
  return toPrincipal(claims as unknown as Claims, token)
}

export function profile(changes: Partial<UserProfile> = {}): UserProfile {
  const names = {
    username: "ada",
    email: "ada@example.test",
    emailVerified: true,
    firstName: "Ada",
    lastName: "L",
    custom: {},
  }
  return { ...ada, ...names, asOf: new Date(1_000_000), ...changes }
}

export interface Rows<User> extends UserRows<User> {
  readonly events: readonly GateEvent[]
  readonly close: () => void
}

export interface RowsOptions {
  readonly askAlive?: AskAlive
  readonly storeTimeoutMs?: number
  readonly customProfile?: Partial<CustomSettings>
  /** Keycloak's time, in seconds. */
  readonly now?: () => number
}

/** What keeps rows in step, on this store. */
export function rowsOn<User>(userStore: UserStore<User>, options: RowsOptions = {}): Rows<User> {
  const { askAlive = async () => "alive", storeTimeoutMs = 30_000, now = () => 2000 } = options
  const events: GateEvent[] = []
  const report = (event: GateEvent) => events.push(event)
  const elapsed = () => performance.now()
  const store = createBoundedStore({ store: userStore, storeTimeoutMs, report, elapsed })
  const custom = createCustomReader({ fromClaims: null, fromAccount: null, ...options.customProfile })
  const clock = { atLatest: () => now() * 1000, sawTime: () => undefined }
  return { ...createUserRows({ store, custom, askAlive, clock, report }), events, close: store.close }
}
