type IsOne = (value: object) => boolean

// Shared by all copies of this library: an application that mixes CommonJS and ES modules loads two.
const key = Symbol.for("keycloak-gate.principals")
const shared = globalThis as { [key]?: IsOne[] }
if (shared[key] === undefined) Object.defineProperty(shared, key, { value: [] })
const known: IsOne[] = shared[key] ?? []

/** Each copy adds what tells the principals that it made; a private member does, since nothing can copy or forge one. */
export function knowPrincipals(isOne: IsOne): void {
  known.push(isOne)
}

/** Whether a gate made this very object from a verified token: no copy of a principal, no proxy, and no object like one. */
export function isPrincipal(value: unknown): boolean {
  return typeof value === "object" && value !== null && known.some(isOne => isOne(value))
}
