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
const endpoints = 7
const storeFunctions = 5

export const memories: readonly Memory[] = [
  { file: "bearer/principal-cache.ts", name: "entries", holds: "verified tokens", bound: 10_000 },
  { file: "bearer/principal-cache.ts", name: "round", holds: "the same in a ring", bound: 10_000, isWatched: false },
  { file: "bearer/clock-doubt.ts", name: "refused", holds: "expired tokens in a row", bound: 3 },
  { file: "keycloak/token-verifier.ts", name: "proven", holds: "headers of good tokens", bound: 100 },
  {
    file: "keycloak/token-verifier.ts",
    name: "imported",
    holds: "imported keys",
    bound: keysOfRealm,
    isWatched: false,
  },
  { file: "keycloak/key-set.ts", name: "keys", holds: "the realm's keys", bound: keysOfRealm, isWatched: false },
  { file: "keycloak/fetch-budget.ts", name: "refused", holds: "unknown keys", bound: 10_000 },
  { file: "keycloak/fetch-budget.ts", name: "spentAt", holds: "moments of fetches", bound: 5, isWatched: false },
  { file: "keycloak/signature.ts", name: "algorithms", holds: "algorithms", bound: 11 },
  { file: "keycloak/recheck.ts", name: "sessions", holds: "sessions in use", bound: 50_000 },
  { file: "keycloak/recheck.ts", name: "tokens", holds: "tokens in use", bound: 50_000 },
  { file: "keycloak/recheck.ts", name: "known", holds: "tokens of remembered claims", bound: 10_000, isWatched: false },
  { file: "keycloak/recheck.ts", name: "endedSessions", holds: "ended sessions", bound: 50_000 },
  { file: "keycloak/recheck.ts", name: "questions", holds: "what to ask about", bound: 1000 },
  { file: "keycloak/recheck.ts", name: "sentAt", holds: "moments of questions", bound: 50, isWatched: false },
  { file: "keycloak/asked-once.ts", name: "questions", holds: "questions under way", bound: "calls" },
  { file: "keycloak/asked-once.ts", name: "answers", holds: "answers about tokens", bound: 10_000 },
  {
    file: "keycloak/introspection.ts",
    name: "lightweightClients",
    holds: "clients of lightweight tokens",
    bound: 1000,
  },
  { file: "keycloak/token-client.ts", name: "configured", holds: "set-ups of the client library", bound: 2 },
  { file: "keycloak/transport.ts", name: "inFlight", holds: "requests, those in line too", bound: "calls" },
  { file: "keycloak/reachability.ts", name: "oddInARow", holds: "endpoints", bound: endpoints },
  { file: "keycloak/line.ts", name: "line", holds: "who waits for a place", bound: 1000 },
  { file: "keycloak/places.ts", name: "told", holds: "kinds of callers", bound: 5 },
  { file: "keycloak/reachability.ts", name: "answeredAt", holds: "endpoints", bound: endpoints },
  { file: "keycloak/reachability.ts", name: "failing", holds: "endpoints", bound: endpoints },
  { file: "keycloak/reachability.ts", name: "doubtful", holds: "endpoints", bound: endpoints },
  {
    file: "keycloak/reachability.ts",
    name: "told",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  { file: "keycloak/network-error.ts", name: "lost", holds: "codes of errors", bound: 10 },
  { file: "keycloak/network-error.ts", name: "unlucky", holds: "codes of errors", bound: 10 },
  { file: "user/sync-user.ts", name: "known", holds: "people seen", bound: rememberedSubjects },
  { file: "user/sync-user.ts", name: "removed", holds: "people deleted", bound: rememberedSubjects },
  { file: "user/sync-user.ts", name: "sharedSaves", holds: "saves that others wait for", bound: "calls" },
  { file: "user/sync-user.ts", name: "savesUnderWay", holds: "saves under way", bound: "calls" },
  { file: "user/sync-user.ts", name: "questions", holds: "questions under way", bound: "calls" },
  { file: "user/bounded-store.ts", name: "slow", holds: "slow store functions", bound: storeFunctions },
  {
    file: "user/bounded-store.ts",
    name: "told",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  { file: "user/in-time.ts", name: "underWay", holds: "store calls under way", bound: "calls" },
  { file: "user/turns.ts", name: "lines", holds: "accounts that are being changed", bound: "calls" },
  { file: "user/create-account.ts", name: "used", holds: "stamps of accounts", bound: 20_001 },
  { file: "user/unclear-changes.ts", name: "noted", holds: "changes of passwords", bound: 1000 },
  { file: "user/unfinished.ts", name: "entries", holds: "what is to be finished", bound: 1000 },
  { file: "user/unfinished.ts", name: "ready", holds: "the same, due", bound: 1000, isWatched: false },
  { file: "user/unfinished.ts", name: "timers", holds: "timers of the same", bound: 1001 },
  { file: "drain.ts", name: "underWay", holds: "registrations under way", bound: "calls" },
  { file: "refresh-session.ts", name: "running", holds: "refreshes under way", bound: "calls" },
  { file: "send-password-reset.ts", name: "sending", holds: "mails under way", bound: "calls" },
  {
    file: "errors.ts",
    name: "tokenWarnings",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  { file: "warnings.ts", name: "printedAt", holds: "kinds of warnings", bound: 1000 },
  { file: "warnings.ts", name: "distinctFaults", holds: "kinds of faults", bound: 50 },
]

/** What lives as long as one call, one answer or one set of options, and is as large as that. */
export const ofOneCall: readonly string[] = [
  "fields.ts problems",
  "keycloak/account-listing.ts found",
  "keycloak/account-listing.ts portions",
  "keycloak/answer.ts read",
  "keycloak/duplicate-members.ts open",
  "keycloak/fetch-keys.ts known",
  "login-with-password.ts scopes",
  "options-from-env.ts missing",
  "options-from-env.ts problems",
  "options.ts asked",
  "options.ts problems",
  "ready.ts findings",
  "sync-run.ts gathered",
  "update-account.ts lists",
  "update-account.ts ofValues",
  "user/account-walk.ts known",
  "user/give-password.ts lost",
  "user/map-limited.ts failures",
  "user/map-limited.ts results",
]
