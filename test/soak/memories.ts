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
const storeFunctions = 7

export const memories: readonly Memory[] = [
  { file: "verify/principal-cache.ts", name: "entries", holds: "verified tokens", bound: 10_000 },
  { file: "verify/principal-cache.ts", name: "round", holds: "the same in a ring", bound: 10_000, isWatched: false },
  { file: "watch/clock-doubt.ts", name: "refused", holds: "expired tokens in a row", bound: 3 },
  { file: "verify/token/token-verifier.ts", name: "proven", holds: "headers of good tokens", bound: 100 },
  {
    file: "verify/token/token-verifier.ts",
    name: "imported",
    holds: "imported keys",
    bound: keysOfRealm,
    isWatched: false,
  },
  { file: "verify/token/key-set.ts", name: "keys", holds: "the realm's keys", bound: keysOfRealm, isWatched: false },
  { file: "verify/token/fetch-budget.ts", name: "refused", holds: "unknown keys", bound: 10_000 },
  { file: "verify/token/fetch-budget.ts", name: "spentAt", holds: "moments of fetches", bound: 5, isWatched: false },
  { file: "verify/token/signature.ts", name: "algorithms", holds: "algorithms", bound: 11 },
  { file: "verify/session/recheck.ts", name: "sessions", holds: "sessions in use", bound: 50_000 },
  { file: "verify/session/recheck.ts", name: "tokens", holds: "tokens in use", bound: 50_000 },
  {
    file: "verify/session/recheck.ts",
    name: "known",
    holds: "tokens of remembered claims",
    bound: 10_000,
    isWatched: false,
  },
  { file: "verify/session/recheck.ts", name: "endedSessions", holds: "ended sessions", bound: 50_000 },
  { file: "verify/session/recheck.ts", name: "questions", holds: "what to ask about", bound: 1000 },
  { file: "verify/session/recheck.ts", name: "sentAt", holds: "moments of questions", bound: 50, isWatched: false },
  { file: "adapters/express.ts", name: "answered", holds: "applications of Express", bound: 10, isWatched: false },
  {
    file: "adapters/express-carrier.ts",
    name: "carriedBy",
    holds: "applications of Express",
    bound: 10,
    isWatched: false,
  },
  { file: "adapters/express-carrier.ts", name: "all", holds: "requests", bound: "calls", isWatched: false },
  { file: "verify/hold.ts", name: "holds", holds: "connections that the application holds", bound: "calls" },
  { file: "verify/hold.ts", name: "due", holds: "those of them to ask about", bound: "calls" },
  { file: "verify/session/asked-once.ts", name: "questions", holds: "questions under way", bound: "calls" },
  { file: "verify/session/asked-once.ts", name: "answers", holds: "answers about tokens", bound: 10_000 },
  {
    file: "verify/session/introspection.ts",
    name: "lightweightClients",
    holds: "clients of lightweight tokens",
    bound: 1000,
  },
  { file: "login/recent-refreshes.ts", name: "recent", holds: "sessions of a moment ago", bound: 10_000 },
  { file: "login/recent-refreshes.ts", name: "underWay", holds: "refreshes under way", bound: "calls" },
  { file: "sessions/in-force.ts", name: "values", holds: "revocations of one kind", bound: 100_000 },
  {
    file: "sessions/settled-sessions.ts",
    name: "settled",
    holds: "sessions known to live or to have ended",
    bound: 10_000,
  },
  { file: "sessions/revocations.ts", name: "recent", holds: "the last revocations", bound: 32, isWatched: false },
  { file: "sessions/revocations.ts", name: "listeners", holds: "who hears of revocations", bound: 10 },
  { file: "keycloak/token-endpoint.ts", name: "configured", holds: "set-ups of the client library", bound: 2 },
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
  { file: "keycloak/network-error.ts", name: "failures", holds: "codes of errors", bound: 100 },
  { file: "keycloak/network-error.ts", name: "lost", holds: "codes of errors", bound: 10 },
  { file: "keycloak/network-error.ts", name: "unlucky", holds: "codes of errors", bound: 10 },
  { file: "users/user-rows.ts", name: "known", holds: "people seen", bound: rememberedSubjects },
  { file: "users/user-rows.ts", name: "removed", holds: "people deleted", bound: rememberedSubjects },
  { file: "users/user-rows.ts", name: "sharedSaves", holds: "saves that others wait for", bound: "calls" },
  { file: "users/user-rows.ts", name: "savesUnderWay", holds: "saves under way", bound: "calls" },
  { file: "users/user-rows.ts", name: "questions", holds: "questions under way", bound: "calls" },
  { file: "users/bounded-store.ts", name: "slow", holds: "slow store functions", bound: storeFunctions },
  {
    file: "users/bounded-store.ts",
    name: "told",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  { file: "users/in-time.ts", name: "underWay", holds: "store calls under way", bound: "calls" },
  { file: "accounts/turns.ts", name: "lines", holds: "accounts that are being changed", bound: "calls" },
  { file: "accounts/create-account.ts", name: "used", holds: "stamps of accounts", bound: 20_001 },
  { file: "accounts/unclear-changes.ts", name: "noted", holds: "changes of passwords", bound: 1000 },
  { file: "accounts/unfinished.ts", name: "entries", holds: "what is to be finished", bound: 1000 },
  { file: "accounts/unfinished.ts", name: "ready", holds: "the same, due", bound: 1000, isWatched: false },
  { file: "accounts/unfinished.ts", name: "timers", holds: "timers of the same", bound: 1001 },
  { file: "accounts/drain.ts", name: "underWay", holds: "registrations under way", bound: "calls" },
  { file: "keycloak/share.ts", name: "underWay", holds: "requests that are shared while under way", bound: "calls" },
  { file: "accounts/account-context.ts", name: "resetMails", holds: "mails under way", bound: "calls" },
  {
    file: "errors.ts",
    name: "tokenWarnings",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  {
    file: "errors.ts",
    name: "setUpFaults",
    holds: "errors while somebody has them",
    bound: "calls",
    isWatched: false,
  },
  { file: "watch/warnings.ts", name: "printedAt", holds: "kinds of warnings", bound: 1000 },
  { file: "watch/warnings.ts", name: "distinctFaults", holds: "kinds of faults", bound: 50 },
]

/** What lives as long as one call, one answer or one set of options, and is as large as that. */
export const ofOneCall: readonly string[] = [
  "fields.ts problems",
  "users/sync/keycloak-listing.ts found",
  "users/sync/keycloak-listing.ts portions",
  "keycloak/answer.ts read",
  "keycloak/duplicate-members.ts open",
  "verify/token/fetch-keys.ts known",
  "login/login-with-password.ts scopes",
  "options/options-from-env.ts missing",
  "options/options-from-env.ts problems",
  "migrate/members.ts asked",
  "migrate/members.ts ignored",
  "migrate/members.ts problems",
  "migrate/variables.ts unset",
  "option-reader.ts asked",
  "option-reader.ts problems",
  "setup/diagnose.ts distinct",
  "cli/init.ts made",
  "cli/init/settings.ts problems",
  "cli/init/settings.ts values",
  "cli/terminal.ts lines",
  "users/sync/sync-run.ts gathered",
  "accounts/change-password.ts proofs",
  "accounts/register-user.ts wrong",
  "accounts/keycloak/sessions.ts clients",
  "accounts/keycloak/sessions.ts found",
  "accounts/keycloak/sessions.ts offline",
  "accounts/update-account.ts lists",
  "accounts/update-account.ts ofValues",
  "users/sync/account-walk.ts known",
  "accounts/give-password.ts lost",
  "adoption/import-person.ts asked",
  "adoption/map-stream.ts atWork",
  "adoption/map-stream.ts waiting",
  "users/sync/map-limited.ts failures",
  "users/sync/map-limited.ts results",
]
