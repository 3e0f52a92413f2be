import { type Call, readJson, type Transport, unavailable } from "./transport.js"

/** One public key as Keycloak publishes it (RFC 7517); the same object as long as its text stays the same. */
export type Jwk = Readonly<Record<string, unknown>> & { readonly kid: string; readonly kty: string }

export interface KeySet {
  /** Whether this very key is still published, as far as is known without asking anybody; for the path of every request. */
  readonly publishes: (key: Jwk) => boolean
  /**
   * The signing keys of this id for this algorithm; none when Keycloak does not publish any. A keystore that serves two
   * algorithms (RS256 and PS256) is published once for each, under one id.
   */
  readonly find: (kid: string, alg: string) => Promise<readonly Jwk[]>
  /** Fetches the keys now. */
  readonly load: () => Promise<void>
}

export interface KeySetOptions {
  readonly transport: Transport
  readonly certsUrl: string
  readonly maxAgeSeconds: number
  readonly cooldownSeconds: number
  readonly now: () => number
}

// Unknown key ids may cause this many fetches per cool-down, whoever asks: a flood of random ids can't flood Keycloak.
const lookupsPerCooldown = 5
// As many of them are kept for ids that are asked for again after they were refused: in a flood of random ids that is the
// one that Keycloak signs with since a moment ago.
const keptForRepeated = 2
const maxRefusedIds = 10_000
// The part of their age after which keys are fetched anew in the background, so that no request waits for it, nor for a
// Keycloak that hangs.
const aheadFactor = 0.9
// How long the last good keys outlive their age while Keycloak can't be reached.
const outageFactor = 6

/**
 * The realm's keys: fetched when first needed and ahead of their age, replaced as a whole, looked at again for an unknown
 * id and for an algorithm that is new to an id.
 *
 * A key that Keycloak has removed is gone after `maxAgeSeconds` at most, or six times that while Keycloak is down.
 */
export function createKeySet({ transport, certsUrl, maxAgeSeconds, cooldownSeconds, now }: KeySetOptions): KeySet {
  const maxAge = maxAgeSeconds * 1000
  const cooldown = cooldownSeconds * 1000
  const retryMs = Math.min(cooldown, 1000) / 2
  let keys: ReadonlySet<Jwk> = new Set()
  let loadedAt: number | null = null
  let failure: { at: number; error: unknown } | null = null
  let loading: Promise<void> | null = null
  let lookingAgain: Promise<void> | null = null
  let lookups: number[] = []
  /** Refused without a look since the last fetch. */
  const refused = new Set<string>()

  function load(): Promise<void> {
    loading ??= fetchKeys(transport, certsUrl, keys)
      .then(
        fetched => {
          keys = fetched
          loadedAt = now()
          failure = null
          refused.clear()
        },
        (error: unknown) => {
          failure = { at: now(), error }
          throw error
        },
      )
      .finally(() => {
        loading = null
      })
    return loading
  }

  /** What it meets, `load` keeps in `failure`. */
  function loadAhead(): void {
    if (failure === null || now() - failure.at > retryMs) void load().catch(() => undefined)
  }

  /** Whether the keys are within their age; towards its end this starts to fetch the next ones. */
  function areFresh(): boolean {
    if (loadedAt === null) return false
    const age = now() - loadedAt
    if (age > maxAge * aheadFactor) loadAhead()
    return age <= maxAge
  }

  async function keepFresh(): Promise<void> {
    if (loadedAt === null) return load()
    if (areFresh()) return
    // Once Keycloak is known to be down, verified people go on with the last good keys, and nobody waits for another
    // time-out.
    if (failure === null) await loading?.catch(() => undefined)
    if (failure !== null && now() - loadedAt > maxAge * outageFactor) throw failure.error
  }

  /** Whether the shared budget has a look-up for this id. Failed fetches don't count, so that an outage uses up none. */
  function mayLookAgain(wanted: string): boolean {
    lookups = lookups.filter(at => now() - at < cooldown)
    const budget = refused.has(wanted) ? lookupsPerCooldown : lookupsPerCooldown - keptForRepeated
    if (failure !== null || lookups.length < budget) return true
    if (refused.size >= maxRefusedIds) refused.clear()
    refused.add(wanted)
    return false
  }

  async function lookAgain(): Promise<void> {
    if (failure !== null) {
      if (now() - failure.at <= retryMs) throw failure.error
      return load()
    }
    const last = lookups.at(-1)
    const spacing = lookups.length * (cooldown / 50)
    if (last !== undefined && now() - last < spacing) await sleep(last + spacing - now())
    lookups.push(now())
    await load()
  }

  const published = (kid: string, alg: string) =>
    [...keys].filter(key => key.kid === kid && (key.alg === undefined || key.alg === alg))

  return {
    load,
    publishes: key => areFresh() && keys.has(key),
    async find(kid, alg) {
      await keepFresh()
      const known = published(kid, alg)
      if (known.length > 0) return known
      if (lookingAgain === null && !mayLookAgain(`${alg} ${kid}`)) return []
      lookingAgain ??= lookAgain().finally(() => {
        lookingAgain = null
      })
      await lookingAgain
      return published(kid, alg)
    },
  }
}

const call: Call = { endpoint: "keys", share: "own", isRepeatable: true }

async function fetchKeys(transport: Transport, certsUrl: string, before: ReadonlySet<Jwk>): Promise<ReadonlySet<Jwk>> {
  const response = await transport.fetch(certsUrl, call, { headers: { accept: "application/json" } })
  if (response.status !== 200) {
    throw unavailable(
      certsUrl,
      `its key set answered ${response.status}; check \`serverUrl\` and \`realm\` with ready()`,
    )
  }
  const { keys } = await readJson(certsUrl, response)
  const usable = Array.isArray(keys) ? keys.filter(isSigningKey) : []
  if (usable.length === 0) throw unavailable(certsUrl, "its key set holds no key that can check a signature")
  // The old object for an unchanged key, so that what was verified with it stays verified.
  const known = new Map([...before].map(key => [JSON.stringify(key), key]))
  return new Set(usable.map(key => known.get(JSON.stringify(key)) ?? key))
}

// Keycloak publishes its RSA-OAEP key (`use: enc`) in the same set; a symmetric key in a public document is no secret.
function isSigningKey(key: unknown): key is Jwk {
  if (typeof key !== "object" || key === null) return false
  const { kid, kty, use } = key as Record<string, unknown>
  return (
    typeof kid === "string" &&
    kid !== "" &&
    typeof kty === "string" &&
    kty !== "oct" &&
    (use === undefined || use === "sig")
  )
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
