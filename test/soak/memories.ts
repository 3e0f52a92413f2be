/** What the library remembers from one call to the next. */
export interface Memory {
  /** Below src. */
  readonly file: string
  /** Of the variable. */
  readonly name: string
  readonly holds: string
  /** The most entries at once, in one gate; `"calls"`: as many as there are calls under way, which have limits. */
  readonly bound: number | "calls"
  /** Lists and WeakMaps have no size to look at. */
  readonly isWatched?: false
}

// A realm has a handful, and nobody but its administrator makes more.
const keysOfRealm = 20
const rememberedSubjects = 50_000

export const memories: readonly Memory[] = [
  { file: "bearer/principal-cache.ts", name: "entries", holds: "verified tokens", bound: 10_000 },
  { file: "bearer/principal-cache.ts", name: "round", holds: "the same, in a ring", bound: 10_000, isWatched: false },
  { file: "keycloak/token-verifier.ts", name: "proven", holds: "token headers that were proven", bound: 100 },
  {
    file: "keycloak/token-verifier.ts",
    name: "imported",
    holds: "imported keys, as long as they are published",
    bound: keysOfRealm,
    isWatched: false,
  },
  { file: "keycloak/key-set.ts", name: "keys", holds: "the realm's keys", bound: keysOfRealm },
  { file: "keycloak/key-set.ts", name: "lookups", holds: "moments of key fetches", bound: 5, isWatched: false },
  { file: "keycloak/key-set.ts", name: "refused", holds: "unknown key ids", bound: 10_000 },
  { file: "keycloak/signature.ts", name: "algorithms", holds: "what is known of each algorithm", bound: 11 },
  { file: "keycloak/recheck.ts", name: "sessions", holds: "sessions in use", bound: 50_000 },
  {
    file: "keycloak/recheck.ts",
    name: "known",
    holds: "the session of a remembered token",
    bound: 10_000,
    isWatched: false,
  },
  { file: "keycloak/recheck.ts", name: "endings", holds: "ended sessions", bound: 50_000 },
  { file: "keycloak/recheck.ts", name: "tokens", holds: "refused tokens of one ended session", bound: 20 },
  { file: "keycloak/recheck.ts", name: "questions", holds: "sessions to ask about", bound: 1000 },
  { file: "keycloak/recheck.ts", name: "sentAt", holds: "moments of questions", bound: 50, isWatched: false },
  { file: "keycloak/asked-once.ts", name: "questions", holds: "questions under way", bound: "calls" },
  { file: "keycloak/asked-once.ts", name: "answers", holds: "answers about tokens", bound: 10_000 },
  {
    file: "keycloak/introspection.ts",
    name: "lightweightClients",
    holds: "clients with lightweight tokens",
    bound: 1000,
  },
  { file: "keycloak/token-client.ts", name: "configured", holds: "configurations of the client library", bound: 2 },
  { file: "keycloak/transport.ts", name: "inFlight", holds: "requests under way", bound: "calls" },
  { file: "user/sync-user.ts", name: "known", holds: "people seen", bound: rememberedSubjects },
  { file: "user/sync-user.ts", name: "removed", holds: "people deleted here", bound: rememberedSubjects },
  { file: "user/sync-user.ts", name: "sharedSaves", holds: "saves that others wait for", bound: "calls" },
  { file: "user/sync-user.ts", name: "savesUnderWay", holds: "saves under way", bound: "calls" },
  { file: "user/sync-user.ts", name: "questions", holds: "questions about people whose row is gone", bound: "calls" },
  { file: "user/bounded-store.ts", name: "slow", holds: "names of slow store functions", bound: 4 },
  { file: "user/in-time.ts", name: "underWay", holds: "store calls under way", bound: "calls" },
  { file: "user/turns.ts", name: "lines", holds: "accounts that are being changed", bound: "calls" },
  { file: "user/create-account.ts", name: "used", holds: "stamps of the last creates", bound: 10_000 },
  { file: "refresh-session.ts", name: "running", holds: "refreshes under way", bound: "calls" },
  { file: "send-password-reset.ts", name: "sending", holds: "mails under way", bound: "calls" },
  { file: "events.ts", name: "told", holds: "kinds of warnings that were printed", bound: 200 },
]
