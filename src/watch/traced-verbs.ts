import { traceVerb, verbChannel } from "../channels.js"

type Verb = (...given: unknown[]) => Promise<unknown>

/** The same verbs, published on `keycloak-gate:verb` where somebody listens. */
export function tracedVerbs<Verbs extends object>(verbs: Verbs, realm: string, elapsed: () => number): Verbs {
  return Object.fromEntries(
    Object.entries(verbs).map(([name, verb]) => [name, traced(name, verb, realm, elapsed)]),
  ) as Verbs
}

function traced(name: string, verb: Verb, realm: string, elapsed: () => number): Verb {
  return (...given) => {
    if (!verbChannel.hasSubscribers) return verb(...given)
    const outcome = { code: null, reason: null, durationSeconds: null }
    const message = { realm, name, keycloak: { requests: 0, seconds: 0 }, ...outcome }
    return traceVerb(message, elapsed, () => verb(...given))
  }
}
