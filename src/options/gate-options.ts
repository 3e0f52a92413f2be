import type { RegistrationDefaults, RegistrationSettings } from "../accounts/registration-defaults.js"
import type { LegacyLogin, LegacyLoginSettings } from "../adoption/legacy-login.js"
import type { GateEvent } from "../events.js"
import { isAttributeName } from "../fields.js"
import { inQuotes } from "../foreign-text.js"
import type { ConnectionSettings } from "../keycloak/connection.js"
import { isLoopback } from "../keycloak/loopback.js"
import type { LoginSettings } from "../login/login.js"
import { kindOf, type OptionReader, readOptions, shown } from "../option-reader.js"
import type { SessionSettings } from "../sessions/sessions.js"
import type { SharedRevocations } from "../sessions/shared.js"
import type { CustomProfile, CustomSettings } from "../users/custom-profile.js"
import type { UserStore } from "../users/user-store.js"
import type { UserSettings } from "../users/users.js"
import type { VerificationMode, VerificationSettings } from "../verify/verification.js"
import { adviceOn } from "./other-names.js"
import { type Checked, checkName, checkRealmName, checkServerUrl } from "./server-address.js"

// Ours, never the token's and never discovery's: Keycloak's discovery document lists HS256 too (RFC 8725 §3.1).
const asymmetric = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] as const

/** What Keycloak signs with; a shared-secret algorithm can't be checked here. */
export type SignatureAlgorithm = (typeof asymmetric)[number]

/** A mode with its own setting; both are seconds, fractions allowed. */
export type Verification =
  | {
      readonly mode: "local"
      /**
       * Asks about each session in use at most this often (at most 3600), beside the requests, and refuses from then on
       * what Keycloak calls inactive; holds are asked about this often by themselves. Needs `clientSecret`. Default: nobody
       * is asked.
       */
      readonly recheckSeconds?: number | undefined
    }
  | {
      readonly mode: "introspection" | "userinfo"
      /**
       * Takes a good answer for this long (at most 300), never beyond the token's `exp`: an ended session lives that much
       * longer. Default: every request asks.
       */
      readonly cacheSeconds?: number | undefined
      /** Asks about each hold this often (at most 3600). Default: 30. */
      readonly recheckSeconds?: number | undefined
    }

/**
 * What `createGate` takes; every optional member also takes `undefined`.
 *
 * Anything else in the object, or a value of the wrong kind, throws `config_invalid` and names all that is wrong.
 */
export interface GateOptions<User> {
  /** Keycloak's public base URL, with its relative path (`/auth`) if it has one: the part before `/realms/`. */
  readonly serverUrl: string
  /** The realm's name, case-sensitive, as in the console's address bar. */
  readonly realm: string
  /** The Client ID of this application in Keycloak. */
  readonly clientId: string
  /** The client's secret; without it (a public client) registration and introspection can't work. */
  readonly clientSecret?: string | undefined
  /** Your user table; left out, `principal.user` is null. */
  readonly userStore?: UserStore<User> | undefined
  /** Where this process reaches Keycloak when that differs from `serverUrl` (Docker, Kubernetes); default `serverUrl`. */
  readonly internalUrl?: string | undefined
  /** What `aud` of a token must hold; default `clientId`. `null` accepts any application's tokens of the realm. */
  readonly audience?: string | null | undefined
  /** Another service account for registration; default the client's own. */
  readonly admin?: { readonly clientId: string; readonly clientSecret: string } | undefined
  /**
   * `"local"` (default) checks signatures and asks nobody, so an ended session lives until its token expires (300 s by
   * Keycloak's default). `"introspection"` and `"userinfo"` ask Keycloak on every request and see it at once;
   * `{ mode: "local", recheckSeconds: 30 }` asks beside the requests.
   */
  readonly verification?: VerificationMode | Verification | undefined
  /** Signature algorithms; default every asymmetric one that Keycloak signs with. */
  readonly algorithms?: readonly SignatureAlgorithm[] | undefined
  /** Seconds by which this machine's clock may differ from Keycloak's; default 5, at most 300. */
  readonly clockToleranceSeconds?: number | undefined
  /** Milliseconds that Keycloak has for an answer, connecting and body included; default 5000. */
  readonly timeoutMs?: number | undefined
  /**
   * How many requests to Keycloak may be under way at once; default 64. Verification, what anonymous callers cause, and
   * calls about accounts have that many places each, so that none of them takes another's.
   */
  readonly maxConcurrentRequests?: number | undefined
  /** Milliseconds that one call of the user store may take; default six times `timeoutMs`. */
  readonly storeTimeoutMs?: number | undefined
  /**
   * Seconds after which Keycloak's keys are fetched again (600), and seconds that a small budget of look-ups for unknown
   * key ids lasts (10); fractions are allowed.
   */
  readonly keySet?:
    | { readonly maxAgeSeconds?: number | undefined; readonly cooldownSeconds?: number | undefined }
    | undefined
  /** Bytes of the longest token that is looked at; default 12288, since Node refuses headers above 16 kB. */
  readonly maxTokenBytes?: number | undefined
  /** How many verified tokens are remembered (10,000), or `false`; claims are checked again on every request. */
  readonly verifiedTokenCache?: { readonly maxTokens: number } | false | undefined
  /** Allows plain http to another machine; default false. Loopback is always allowed. */
  readonly allowInsecureHttp?: boolean | undefined
  /** Tells a person with the right password that the account is disabled or unfinished; default false. */
  readonly revealAccountState?: boolean | undefined
  /**
   * Seconds for which the answer to a refresh token is given again (5, at most 60): two tabs of a browser refresh one after
   * the other. 0 asks Keycloak each time. Fractions are allowed.
   */
  readonly refreshGraceSeconds?: number | undefined
  /**
   * How long what is revoked is kept, in seconds; default 3600. At least as long as the realm's longest access token lives: a
   * longer one is told as `long_tokens`.
   */
  readonly longestTokenSeconds?: number | undefined
  /** Tells other processes what was revoked here, and hears of them. Default: each process knows its own alone. */
  readonly shared?: SharedRevocations | undefined
  /**
   * Reads Keycloak's events every so many seconds (0.05 to 3600), for what it tells nobody else: accounts that were disabled or
   * deleted, passwords that an administrator set, revoked grants, a "not before". The realm has to save events, and the service
   * account needs `view-events`. Default: nothing is asked.
   */
  readonly watchEvents?: { readonly everySeconds: number } | undefined
  /** Saves rows for service accounts too; default false. */
  readonly syncServiceAccounts?: boolean | undefined
  /** What of a token's claims and of an account's attributes also belongs into the row; default: nothing. */
  readonly customProfile?: CustomProfile | undefined
  /** What the application gives every new account; never taken from a request. */
  readonly registration?: RegistrationDefaults | undefined
  /**
   * People of your table whom Keycloak does not know move when they log in with their old password; default: nobody does.
   * Needs a `userStore` with `linkUser`, and `clientSecret` or `admin`.
   */
  readonly legacyLogin?: LegacyLogin | undefined
  /**
   * Hears of each promise of work that goes on beside a request or that several requests wait for: keys, the service
   * token, rechecks, what a registration lacks. Hand it to `waitUntil` where the host ends what a request has begun once
   * that has answered (Workers, functions). It never rejects. Default: nobody hears of it.
   */
  readonly background?: ((work: Promise<unknown>) => void) | undefined
  /** Hears of refusals and outages; default: each kind once per process, through `process.emitWarning`. */
  readonly onEvent?: ((event: GateEvent) => void) | undefined
}

/** The options after all checks, defaults filled in: a group for each wing. */
export interface Settings<User> {
  readonly connection: ConnectionSettings
  readonly verification: VerificationSettings
  readonly login: LoginSettings
  readonly sessions: SessionSettings
  readonly users: UserSettings<User>
  readonly registration: RegistrationSettings
  /** Null: whoever Keycloak refuses is refused. */
  readonly legacyLogin: LegacyLoginSettings | null
  readonly background: ((work: Promise<unknown>) => void) | null
  readonly onEvent: ((event: GateEvent) => void) | null
}

/**
 * Checks everything that `createGate` was given and names all that is wrong at once.
 *
 * @throws {GateError} `config_invalid`, with a `fields` entry for each wrong option
 */
export function parseOptions<User>(options: unknown): Settings<User> {
  return readOptions("createGate", options, readSettings<User>, "`serverUrl`, `realm` and `clientId`", adviceOn)
}

function readSettings<User>(given: OptionReader): Settings<User> {
  const allowInsecureHttp = given.boolean("allowInsecureHttp", false)
  const serverUrl = url(given, "serverUrl", allowInsecureHttp)
  const clientId = checked(given, "clientId", found =>
    checkName(found, "the Client ID column in Keycloak, not the UUID in the address bar"),
  )
  const timeoutMs = given.number("timeoutMs", 5000, 1, 600_000)
  const keySet = given.object("keySet")
  const registration = given.object("registration")
  const customProfile = given.object("customProfile")
  return {
    connection: {
      serverUrl,
      internalUrl: given.has("internalUrl") ? url(given, "internalUrl", allowInsecureHttp) : serverUrl,
      realm: checked(given, "realm", checkRealmName),
      clientId,
      clientSecret: given.has("clientSecret") ? secret(given, "clientSecret") : null,
      admin: admin(given),
      timeoutMs,
      maxConcurrentRequests: Math.floor(given.number("maxConcurrentRequests", 64, 1, 10_000)),
      revealAccountState: given.boolean("revealAccountState", false),
    },
    verification: {
      audience: audience(given, clientId),
      ...verification(given),
      algorithms: algorithms(given),
      clockToleranceSeconds: given.number("clockToleranceSeconds", 5, 0, 300),
      maxTokenBytes: given.number("maxTokenBytes", 12_288, 256, 1_048_576),
      maxCachedTokens: maxCachedTokens(given),
      keySet: {
        maxAgeSeconds: keySet.number("maxAgeSeconds", 600, 0.001, 86_400),
        cooldownSeconds: keySet.number("cooldownSeconds", 10, 0.001, 3600),
      },
    },
    login: { refreshGraceSeconds: given.number("refreshGraceSeconds", 5, 0, 60) },
    sessions: {
      longestTokenSeconds: Math.ceil(given.number("longestTokenSeconds", 3600, 1, 31_536_000)),
      isLongestGiven: given.has("longestTokenSeconds"),
      shared: given.one<SharedRevocations | null>("shared", null, "what redisShared() returns", isShared),
      watchEverySeconds: watchEvents(given),
    },
    users: {
      store: store(given) as UserStore<User> | null,
      // Half a minute by default, for databases that wait for a lock or a connection.
      storeTimeoutMs: given.number("storeTimeoutMs", 6 * timeoutMs, 1, 3_600_000),
      syncServiceAccounts: given.boolean("syncServiceAccounts", false),
      customProfile: {
        fromClaims: customProfile.function("fromClaims") as CustomSettings["fromClaims"],
        fromAccount: customProfile.function("fromAccount") as CustomSettings["fromAccount"],
      },
    },
    registration: {
      groups: registration.texts("groups"),
      realmRoles: registration.texts("realmRoles"),
      attributes: attributes(registration),
      emailVerified: registration.boolean("emailVerified", false),
      requiredActions: registration.texts("requiredActions"),
      onboarding: onboarding(registration),
      allowEmailLikeUsernames: registration.boolean("allowEmailLikeUsernames", false),
    },
    legacyLogin: legacyLogin(given, timeoutMs),
    background: given.function("background") as Settings<User>["background"],
    onEvent: given.function("onEvent") as ((event: GateEvent) => void) | null,
  }
}

// Stands in for a URL that was refused, so that the remaining options are still checked.
const problemUrl = "https://invalid.test"

function checked(given: OptionReader, name: string, check: (found: unknown) => Checked): string {
  const result = check(given.value(name))
  if ("value" in result) return result.value
  given.note(name, result.problem)
  return ""
}

function url(given: OptionReader, name: string, allowInsecureHttp: boolean): string {
  const found = checked(given, name, checkServerUrl)
  if (found === "") return problemUrl
  const { protocol, hostname } = new URL(found)
  if (protocol !== "http:" || isLoopback(hostname) || allowInsecureHttp) return found
  given.note(
    name,
    `plain http to another machine sends passwords readable; use https, or set \`allowInsecureHttp: true\` (${inQuotes(found)})`,
  )
  return problemUrl
}

function secret(given: OptionReader, name: string): string {
  const found = given.value(name)
  if (typeof found === "string" && found.trim() !== "") return found
  const got = typeof found !== "string" ? kindOf(found) : found === "" ? "an empty string" : "blanks alone"
  given.note(name, `expected the secret from Clients → Credentials, got ${got}`)
  return ""
}

function admin(given: OptionReader): Settings<unknown>["connection"]["admin"] {
  const account = given.object("admin")
  const read = {
    clientId: checked(account, "clientId", found => checkName(found, "a Client ID")),
    clientSecret: secret(account, "clientSecret"),
  }
  return given.has("admin") ? read : null
}

function maxCachedTokens(given: OptionReader): number {
  if (given.value("verifiedTokenCache") === false) return 0
  return Math.floor(given.object("verifiedTokenCache").number("maxTokens", 10_000, 1, 10_000_000))
}

function store(given: OptionReader): unknown {
  const found = given.value("userStore")
  if (found === undefined) return null
  const missing = ["findUser", "saveUser", "removeUser"].filter(
    method => typeof (found as Record<string, unknown> | null)?.[method] !== "function",
  )
  if (missing.length === 0) return found
  return given.note("userStore", `expected a UserStore, but it has no function ${missing.join(", ")}`)
}

function legacyLogin(given: OptionReader, byDefaultMs: number): LegacyLoginSettings | null {
  const of = given.object("legacyLogin")
  const verify = of.function("verify")
  of.function("limit")
  const timeoutMs = of.number("timeoutMs", byDefaultMs, 1, 600_000)
  const found = given.value("legacyLogin")
  if (typeof found !== "object" || found === null || Array.isArray(found)) return null
  if (verify === null && !of.has("verify")) of.note("verify", "expected a function, got undefined")
  if (typeof (given.value("userStore") as Partial<UserStore<unknown>> | null | undefined)?.linkUser !== "function")
    given.note(
      "legacyLogin",
      "needs a `userStore` with the function linkUser, which makes an old row that of the account",
    )
  if (!given.has("clientSecret") && !given.has("admin"))
    given.note("legacyLogin", "needs `clientSecret` or `admin`: a service account makes the accounts")
  return { application: found as LegacyLogin, timeoutMs }
}

function audience(given: OptionReader, byDefault: string): string | null {
  const found = given.value("audience")
  if (found === null) return null
  if (found === undefined) return byDefault
  if (found !== "account")
    return checked(given, "audience", text => checkName(text, "a string, or null to switch the check off"))
  return given.note(
    "audience",
    'expected this application\'s own name: "account" is in the token of every user of the realm, whoever asked for it',
  )
}

function isShared(found: unknown): boolean {
  return typeof (found as Partial<SharedRevocations> | null)?.join === "function"
}

const modes: readonly VerificationMode[] = ["local", "introspection", "userinfo"]

function verification(given: OptionReader): Pick<VerificationSettings, "mode" | "cacheSeconds" | "recheckSeconds"> {
  const found = given.value("verification")
  const isNested = typeof found === "object" && found !== null && !Array.isArray(found)
  const of = isNested ? given.object("verification") : given
  const wanted = isNested ? of.value("mode") : found === undefined ? "local" : found
  const mode = modes.find(one => one === wanted)
  if (mode === undefined)
    given.note("verification", `expected ${modes.map(one => `"${one}"`).join(", ")}, got ${shown(wanted)}`)
  if (!isNested) return { mode: mode ?? "local", recheckSeconds: null, cacheSeconds: 0 }
  const recheckSeconds = of.has("recheckSeconds") ? of.number("recheckSeconds", 30, 0.001, 3600) : null
  const cacheSeconds = of.has("cacheSeconds") ? of.number("cacheSeconds", 5, 0.001, 300) : 0
  if (recheckSeconds !== null && mode === "local" && !given.has("clientSecret"))
    of.note("recheckSeconds", "needs `clientSecret`: Keycloak tells nothing about tokens to a public client")
  if (cacheSeconds !== 0 && mode === "local")
    of.note("cacheSeconds", 'goes with `mode: "introspection"` or "userinfo": "local" asks nobody')
  return { mode: mode ?? "local", recheckSeconds, cacheSeconds }
}

function watchEvents(given: OptionReader): number | null {
  const of = given.object("watchEvents")
  const everySeconds = of.number("everySeconds", Number.NaN, 0.05, 3600)
  if (!given.has("watchEvents")) return null
  if (!of.has("everySeconds")) of.note("everySeconds", "expected a number from 0.05 to 3600, got undefined")
  if (!given.has("clientSecret") && !given.has("admin"))
    given.note("watchEvents", "needs `clientSecret` or `admin`: a service account reads the events")
  return everySeconds
}

function algorithms(given: OptionReader): readonly string[] {
  const found = given.one<readonly string[]>(
    "algorithms",
    asymmetric,
    `some of ${asymmetric.join(", ")} (a shared-secret algorithm can't be checked here)`,
    list => Array.isArray(list) && list.length > 0 && list.every(one => asymmetric.includes(one)),
  )
  return Object.freeze([...found])
}

function onboarding(given: OptionReader): "verify-email" | null {
  const found = given.one<"verify-email" | null>("onboarding", null, '"verify-email"', one => one === "verify-email")
  if (found === null || given.value("emailVerified") !== true) return found
  return given.note("onboarding", "there is nothing to verify with `emailVerified: true`; leave one of them out")
}

function attributes(given: OptionReader): Readonly<Record<string, readonly string[]>> {
  const found = given.one<object>(
    "attributes",
    {},
    "an object of strings or lists of strings by attribute names",
    one =>
      typeof one === "object" &&
      one !== null &&
      !Array.isArray(one) &&
      Object.entries(one).every(
        ([name, value]) => isAttributeName(name) && [value].flat().every(text => typeof text === "string"),
      ),
  )
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, [value].flat()]))
}
