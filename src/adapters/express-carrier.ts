import { IncomingMessage } from "node:http"
import { type Carried, type Carrier, onProperties } from "./guard.js"

// Registered, because an application that mixes CommonJS and ES modules loads this file twice.
const carriedKey = Symbol.for("keycloak-gate.express")

type Held = Omit<Carried, "mount"> & { readonly mount?: Carried["mount"] }

interface Marked {
  principal?: unknown
  /** On the prototype of Express's requests, for all of them. */
  readonly [carriedKey]?: WeakMap<object, Held>
}

const byProperties = onProperties((request: object) => request)

// By the prototype of an application's requests, which costs less to look at than any property.
const carriedBy = new WeakMap<object, WeakMap<object, Held>>()

/**
 * Carries beside Express's requests, and lets them show `principal` by a getter of their prototype. On Node 22 a property of
 * such a request takes the main thread 2 µs to set and 0.4 µs to read. Requests of other servers carry it as properties.
 */
export const carrier: Carrier<object> = {
  get(request) {
    const all = carriedWith(request)
    if (all === null) return byProperties.get(request)
    const held = all.get(request)
    return held?.mount && { mount: held.mount, principal: held.principal }
  },
  set(request, carried) {
    const all = carriedWith(request)
    if (all === null) return byProperties.set(request, carried)
    all.set(request, carried)
    // It would hide the getter: somebody has set it before there was one.
    if (Object.hasOwn(request, "principal")) (request as Marked).principal = carried.principal
  },
}

/** null: not a request of Express. */
function carriedWith(request: object): WeakMap<object, Held> | null {
  const prototype = Object.getPrototypeOf(request) as object
  const known = carriedBy.get(prototype)
  if (known !== undefined) return known
  const shared = sharedPrototype(prototype)
  if (shared === null) return null
  const all = (shared as Marked)[carriedKey] ?? prepare(shared)
  carriedBy.set(prototype, all)
  return all
}

function prepare(shared: object): WeakMap<object, Held> {
  const all = new WeakMap<object, Held>()
  Object.defineProperty(shared, carriedKey, { value: all })
  Object.defineProperty(shared, "principal", {
    configurable: true,
    get(this: object) {
      return all.get(this)?.principal
    },
    set(this: object, principal: Held["principal"]) {
      all.set(this, { ...all.get(this), principal })
    },
  })
  return all
}

/** `express.request`, which the requests of all applications inherit from, those of mounted ones too. */
function sharedPrototype(prototype: object | null): object | null {
  if (prototype === null || prototype === IncomingMessage.prototype) return null
  const above = Object.getPrototypeOf(prototype)
  return above === IncomingMessage.prototype ? prototype : sharedPrototype(above)
}
