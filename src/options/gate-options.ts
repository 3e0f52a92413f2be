import type { RegistrationDefaults, RegistrationSettings } from "../accounts/registration-defaults.js"
import { type FieldProblem, GateError } from "../errors.js"
import type { GateEvent } from "../events.js"
import { isAttributeName } from "../fields.js"
import { inQuotes, printable } from "../foreign-text.js"
import type { ConnectionSettings } from "../keycloak/connection.js"
import type { UserStore } from "../users/user-store.js"
import type { UserSettings } from "../users/users.js"
import type { VerificationMode, VerificationSettings } from "../verify/verification.js"
import { type Checked, checkName, checkRealmName, checkServerUrl, kindOf } from "./server-address.js"

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
       * what Keycloak calls inactive; needs `clientSecret`. Default: nobody is asked.
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
  /** Saves rows for service accounts too; default false. */
  readonly syncServiceAccounts?: boolean | undefined
  /** What the application gives every new account; never taken from a request. */
  readonly registration?: RegistrationDefaults | undefined
  /** Hears of refusals and outages; default: each kind once per process, through `process.emitWarning`. */
  readonly onEvent?: ((event: GateEvent) => void) | undefined
}

/** The options after all checks, defaults filled in: a group for each wing. */
export interface Settings<User> {
  readonly connection: ConnectionSettings
  readonly verification: VerificationSettings
  readonly users: UserSettings<User>
  readonly registration: RegistrationSettings
  readonly onEvent: ((event: GateEvent) => void) | null
}

const modes: readonly VerificationMode[] = ["local", "introspection", "userinfo"]

/**
 * Checks everything that `createGate` was given and names all that is wrong at once.
 *
 * @throws {GateError} `config_invalid`, with a `fields` entry for each wrong option
 */
export function parseOptions<User>(options: unknown): Settings<User> {
  const problems: { option: string; message: string }[] = []
  const given = reader(options, "", problems)

  const allowInsecureHttp = given.boolean("allowInsecureHttp", false)
  const serverUrl = given.url("serverUrl", allowInsecureHttp) ?? problemUrl
  const internalUrl = given.has("internalUrl") ? (given.url("internalUrl", allowInsecureHttp) ?? problemUrl) : serverUrl
  const clientId = given.text("clientId", "the Client ID column in Keycloak, not the UUID in the address bar") ?? ""
  const timeoutMs = given.number("timeoutMs", 5000, 1, 600_000)
  const keySet = given.object("keySet")
  const cache = given.value("verifiedTokenCache") === false ? null : given.object("verifiedTokenCache")
  const admin = given.object("admin")
  const registration = given.object("registration")
  const settings: Settings<User> = {
    connection: {
      serverUrl,
      internalUrl,
      realm: given.checked("realm", checkRealmName) ?? "",
      clientId,
      clientSecret: given.has("clientSecret") ? given.secret("clientSecret") : null,
      admin: given.has("admin")
        ? { clientId: admin.text("clientId", "a Client ID") ?? "", clientSecret: admin.secret("clientSecret") }
        : null,
      timeoutMs,
      maxConcurrentRequests: Math.floor(given.number("maxConcurrentRequests", 64, 1, 10_000)),
      revealAccountState: given.boolean("revealAccountState", false),
    },
    verification: {
      audience: given.audience("audience", clientId),
      ...given.verification("verification"),
      algorithms: given.algorithms("algorithms"),
      clockToleranceSeconds: given.number("clockToleranceSeconds", 5, 0, 300),
      maxTokenBytes: given.number("maxTokenBytes", 12_288, 256, 1_048_576),
      maxCachedTokens: cache === null ? 0 : Math.floor(cache.number("maxTokens", 10_000, 1, 10_000_000)),
      keySet: {
        maxAgeSeconds: keySet.number("maxAgeSeconds", 600, 0.001, 86_400),
        cooldownSeconds: keySet.number("cooldownSeconds", 10, 0.001, 3600),
      },
    },
    users: {
      store: given.store("userStore") as UserStore<User> | null,
      // Half a minute by default, for databases that wait for a lock or a connection.
      storeTimeoutMs: given.number("storeTimeoutMs", 6 * timeoutMs, 1, 3_600_000),
      syncServiceAccounts: given.boolean("syncServiceAccounts", false),
    },
    registration: {
      groups: registration.texts("groups"),
      realmRoles: registration.texts("realmRoles"),
      attributes: registration.attributes("attributes"),
      emailVerified: registration.boolean("emailVerified", false),
      requiredActions: registration.texts("requiredActions"),
      onboarding: registration.onboarding("onboarding"),
      allowEmailLikeUsernames: registration.boolean("allowEmailLikeUsernames", false),
    },
    onEvent: given.function("onEvent") as ((event: GateEvent) => void) | null,
  }
  for (const one of [keySet, cache, admin, registration, given]) one?.refuseUnknown()
  if (problems.length > 0) throw configInvalid(problems)
  return settings
}

// Stands in for a URL that was refused, so that the remaining options are still checked.
const problemUrl = "https://invalid.test"

/** Reads one object of options, noting every problem instead of stopping at the first. */
function reader(object: unknown, path: string, problems: { option: string; message: string }[]) {
  const isObject = typeof object === "object" && object !== null && !Array.isArray(object)
  if (!isObject && object !== undefined) {
    note("", `expected an object, got ${show(object)}`)
    problems = [] // its members are missing for this reason alone
  }
  if (object === undefined && path === "")
    note("", "expected an object with `serverUrl`, `realm` and `clientId`, got undefined")
  const given = (isObject ? object : {}) as Record<string, unknown>
  const asked = new Set<string>()

  function note(name: string, message: string): null {
    problems.push({ option: [path, printable(name)].filter(Boolean).join(".") || "options", message })
    return null
  }
  function value(name: string): unknown {
    asked.add(name)
    return given[name]
  }
  // Only undefined means "not given": null is a mistake everywhere but for `audience`.
  function valueOr(name: string, byDefault: unknown): unknown {
    const found = value(name)
    return found === undefined ? byDefault : found
  }
  function checked(name: string, check: (found: unknown) => Checked): string | null {
    const result = check(value(name))
    return "value" in result ? result.value : note(name, result.problem)
  }
  function text(name: string, what: string): string | null {
    return checked(name, found => checkName(found, what))
  }
  function texts(name: string): readonly string[] {
    const found = valueOr(name, [])
    if (Array.isArray(found) && found.every(one => typeof one === "string" && one !== ""))
      return Object.freeze([...found])
    note(name, `expected a list of non-empty strings, got ${show(found)}`)
    return []
  }

  return {
    value,
    checked,
    text,
    texts,
    has: (name: string) => value(name) !== undefined,
    object: (name: string) =>
      reader(
        value(name),
        [path, name].filter(Boolean).join("."),
        path === "" && given[name] === undefined ? [] : problems,
      ),
    secret(name: string): string {
      const found = value(name)
      if (typeof found === "string" && found !== "") return found
      note(
        name,
        `expected the secret from Clients → Credentials, got ${found === "" ? "an empty string" : kindOf(found)}`,
      )
      return ""
    },
    boolean(name: string, byDefault: boolean): boolean {
      const found = valueOr(name, byDefault)
      if (typeof found === "boolean") return found
      note(name, `expected true or false, got ${show(found)}`)
      return byDefault
    },
    number(name: string, byDefault: number, least: number, most: number): number {
      const found = valueOr(name, byDefault)
      if (typeof found === "number" && found >= least && found <= most) return found
      note(name, `expected a number from ${least} to ${most}, got ${show(found)}`)
      return byDefault
    },
    function(name: string): unknown {
      const found = value(name)
      if (found === undefined || typeof found === "function") return found ?? null
      return note(name, `expected a function, got ${show(found)}`)
    },
    store(name: string): unknown {
      const found = value(name)
      if (found === undefined) return null
      const missing = ["findUser", "saveUser", "removeUser"].filter(
        method => typeof (found as Record<string, unknown> | null)?.[method] !== "function",
      )
      return missing.length === 0
        ? found
        : note(name, `expected a UserStore, but it has no function ${missing.join(", ")}`)
    },
    url(name: string, allowInsecureHttp: boolean): string | null {
      const url = checked(name, checkServerUrl)
      const { protocol, hostname } = new URL(url ?? problemUrl)
      if (protocol !== "http:" || isLoopback(hostname) || allowInsecureHttp) return url
      return note(
        name,
        `plain http to another machine sends passwords readable; use https, or set \`allowInsecureHttp: true\` (${show(url)})`,
      )
    },
    audience(name: string, byDefault: string): string | null {
      const found = value(name)
      if (found === null) return null
      if (found === undefined) return byDefault
      if (found === "account") {
        return note(
          name,
          'expected this application\'s own name: "account" is in the token of every user of the realm, whoever asked for it',
        )
      }
      return text(name, "a string, or null to switch the check off")
    },
    verification(name: string) {
      const found = valueOr(name, "local")
      const nested = typeof found === "object" && found !== null ? reader(found, name, problems) : null
      const mode = nested === null ? found : nested.value("mode")
      const known = modes.find(one => one === mode)
      if (known === undefined) note(name, `expected ${modes.map(one => `"${one}"`).join(", ")}, got ${show(mode)}`)
      const recheckSeconds =
        nested?.has("recheckSeconds") === true ? nested.number("recheckSeconds", 30, 0.001, 3600) : null
      const cacheSeconds = nested?.has("cacheSeconds") === true ? nested.number("cacheSeconds", 5, 0.001, 300) : 0
      if (recheckSeconds !== null && (known === "introspection" || known === "userinfo"))
        note(`${name}.recheckSeconds`, `goes with \`mode: "local"\`: "${known}" asks Keycloak anyway`)
      if (recheckSeconds !== null && value("clientSecret") === undefined)
        note(`${name}.recheckSeconds`, "needs `clientSecret`: Keycloak tells nothing about tokens to a public client")
      if (cacheSeconds !== 0 && known === "local")
        note(`${name}.cacheSeconds`, 'goes with `mode: "introspection"` or "userinfo": "local" asks nobody')
      nested?.refuseUnknown()
      return { mode: known ?? "local", recheckSeconds, cacheSeconds }
    },
    algorithms(name: string): readonly string[] {
      const found = valueOr(name, asymmetric)
      if (Array.isArray(found) && found.length > 0 && found.every(one => asymmetric.includes(one)))
        return Object.freeze([...found])
      note(
        name,
        `expected some of ${asymmetric.join(", ")} (a shared-secret algorithm can't be checked here), got ${show(found)}`,
      )
      return asymmetric
    },
    onboarding(name: string): "verify-email" | null {
      const found = value(name)
      if (found === undefined) return null
      if (found !== "verify-email") return note(name, `expected "verify-email", got ${show(found)}`)
      if (given.emailVerified === true)
        return note(name, "there is nothing to verify with `emailVerified: true`; leave one of them out")
      return found
    },
    attributes(name: string): Readonly<Record<string, readonly string[]>> {
      const found = valueOr(name, {})
      const entries =
        typeof found === "object" && found !== null
          ? Object.entries(found).map(([key, one]) => [key, [one].flat()] as const)
          : null
      if (entries?.every(([key, list]) => isAttributeName(key) && list.every(one => typeof one === "string")))
        return Object.fromEntries(entries)
      note(name, `expected an object of strings or lists of strings by attribute names, got ${show(found)}`)
      return {}
    },
    refuseUnknown(): void {
      for (const name of Object.keys(given)) {
        if (asked.has(name)) continue
        const alike = [...asked].find(one => one.toLowerCase() === name.toLowerCase().replace(/[_-]/g, ""))
        note(
          name,
          alike === undefined
            ? `there is no such option; known are ${[...asked].join(", ")}`
            : `there is no such option; did you mean \`${alike}\`?`,
        )
      }
    },
  }
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  )
}

/** A value for a message: short, and nothing of what an object or a list holds. */
function show(value: unknown): string {
  return typeof value === "string" ? inQuotes(value) : kindOf(value)
}

function configInvalid(problems: readonly { option: string; message: string }[]): GateError {
  const lines = problems.map(({ option, message }) => `\`${option}\`: ${message}.`)
  const fields: FieldProblem[] = problems.map(({ option }) => ({ field: option, rule: "option", params: [] }))
  return new GateError("config_invalid", `createGate got wrong options.\n${lines.join("\n")}`, { fields })
}
