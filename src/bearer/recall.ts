import type { Principal } from "./principal.js"

/**
 * What a gate's `verifyBearer` answers at once, for adapters: the principal of a header whose token was verified before,
 * null for all others, which `verifyBearer` is to look at.
 *
 * @throws {GateError} `closed` after `close()`
 */
export type Recall = (authorization: unknown) => Principal<null> | null

/** With the function that it belongs to: a mock copies the properties of what it stands for. */
interface Recalling {
  readonly of: object
  readonly recall: Recall
}

// On the function, so that whoever puts another `verifyBearer` in its place is asked about every request. Registered,
// because an application that mixes CommonJS and ES modules loads this file twice.
const recallKey = Symbol.for("keycloak-gate.recall")

/** `verifyBearer` with a memory that can be asked without a promise. */
export function withRecall<Verify extends object>(verifyBearer: Verify, recall: Recall): Verify {
  const recalling: Recalling = { of: verifyBearer, recall }
  return Object.defineProperty(verifyBearer, recallKey, { value: recalling })
}

/** That memory; one that knows nobody where there is none. */
export function recallOf(verifyBearer: object): Recall {
  const recalling: Recalling | undefined = Reflect.get(verifyBearer, recallKey)
  return recalling?.of === verifyBearer ? recalling.recall : () => null
}
