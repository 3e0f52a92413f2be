import type { Principal } from "./principal.js"

/** What adapters need of a gate beside its public members. */
export interface AdapterPort {
  /**
   * What `verifyBearer` would answer, at once: the principal of a header whose token was verified before; null for all
   * others, which `verifyBearer` is to look at.
   *
   * @throws {GateError} `closed` after `close()`
   */
  readonly recall: (authorization: unknown) => Principal<null> | null
  /** Hears of what a guard refuses, as the gate does of what it refuses itself. */
  readonly report: (error: unknown) => void
}

// Kept on `verifyBearer`, so that whoever puts another function in its place is asked about every request. Registered,
// because an application that mixes CommonJS and ES modules loads this file twice.
const portKey = Symbol.for("keycloak-gate.adapterPort")

/** With the function that it belongs to: a mock copies the properties of what it stands for. */
interface Held {
  readonly by: object
  readonly port: AdapterPort
}

export function withAdapterPort<Verify extends object>(verifyBearer: Verify, port: AdapterPort): Verify {
  const held: Held = { by: verifyBearer, port }
  return Object.defineProperty(verifyBearer, portKey, { value: held })
}

/** The port of a gate's own `verifyBearer`; for any other function one that knows nobody and tells nobody. */
export function adapterPortOf(verifyBearer: object): AdapterPort {
  const held: Held | undefined = Reflect.get(verifyBearer, portKey)
  return held?.by === verifyBearer ? held.port : none
}

const none: AdapterPort = { recall: () => null, report: () => undefined }
