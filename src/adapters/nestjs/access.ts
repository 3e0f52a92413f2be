import type { ExecutionContext } from "@nestjs/common"
import { createGuard } from "../guard.js"
import { carrier, type Visit } from "./visit.js"

/** Throws where a request may not pass. */
export type Check = (visit: Visit) => Promise<void> | void

/** What was decorated. */
interface Access {
  readonly isPublic: boolean
  readonly checks: readonly Check[]
}

// Registered, because an application that mixes CommonJS and ES modules loads this file twice.
const key = Symbol.for("keycloak-gate.access")
const nothing: Access = { isPublic: false, checks: [] }

interface Decorated {
  readonly [key]?: Access
}

/** Of a class, those of its parents too; of a method alone. */
function accessOf(target: unknown): Access {
  return (target as Decorated | null | undefined)?.[key] ?? nothing
}

/** The class, or the method where there is one. */
export function targetOf(target: object, descriptor: PropertyDescriptor | undefined): object {
  return (descriptor?.value as object | undefined) ?? target
}

export function makePublic(target: object): void {
  Object.defineProperty(target, key, { value: { ...accessOf(target), isPublic: true }, configurable: true })
}

/** One more that is needed. */
export function addCheck(target: object, check: Check): void {
  const { isPublic, checks } = accessOf(target)
  Object.defineProperty(target, key, { value: { isPublic, checks: [...checks, check] }, configurable: true })
}

const isPerson: Check = createGuard(carrier, {}, "GateModule")

/** What is needed of whoever calls a handler; null: nothing, since it is public. */
export function checksOf(context: ExecutionContext): readonly Check[] | null {
  const [ofMethod, ofClass] = [accessOf(context.getHandler()), accessOf(context.getClass())]
  // What is said of a method alone opens it, and never what needs something itself.
  if (ofMethod.checks.length === 0 && ofMethod.isPublic) return null
  const needed = [...ofClass.checks, ...ofMethod.checks]
  if (needed.length > 0) return needed
  return ofClass.isPublic ? null : [isPerson]
}

export function isDecorated(target: unknown): boolean {
  const { isPublic, checks } = accessOf(target)
  return isPublic || checks.length > 0
}
