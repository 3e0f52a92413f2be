import { type CanActivate, type ExecutionContext, Inject, Injectable } from "@nestjs/common"
import { GateError } from "../../errors.js"
import type { RegisteredUser } from "../../users/registered-user.js"
import type { Principal } from "../../verify/principal.js"
import { admit, type Mount, readPrincipal } from "../guard.js"
import { checksOf } from "./access.js"
import { carrier, holdOf, leaveUnverified, unverified, type Visit, visitOf } from "./visit.js"

/** What is injected as the gate, with what happens to its errors. */
export const mountToken: unique symbol = Symbol.for("keycloak-gate.mount")

// Nest gives all guards of a call one context: the first of ours looks at everything.
const done = new WeakSet<ExecutionContext>()

/** Looks at everything that decorators ask for; one class for all places, since the decorators say what is needed. */
export class GateGuard implements CanActivate {
  readonly #mount: Mount<RegisteredUser>

  constructor(mount: Mount<RegisteredUser>) {
    this.#mount = mount
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (done.has(context)) return true
    done.add(context)
    const visit = visitOf(context)
    const checks = checksOf(context)
    // Whoever logs in may still send an old token along, so nobody looks at it unless the handler asks who it is.
    if (checks === null) leaveUnverified(visit, this.#mount)
    else {
      await verify(visit, this.#mount)
      for (const check of checks) await check(visit)
    }
    return true
  }
}
// The build emits no metadata.
Injectable()(GateGuard)
Inject(mountToken)(GateGuard, undefined, 0)

function verify(visit: Visit, mount: Mount<RegisteredUser>): Promise<void> | void {
  const hold = holdOf(visit)
  if (hold !== null) carrier.set(visit, { mount, principal: hold.principal })
  else if (visit.message === null) carrier.set(visit, { mount, principal: null })
  else return admit(carrier, visit, visit.message, mount)
}

/** Who calls a handler; null: nobody, where that is allowed. */
export async function principalOf(context: ExecutionContext): Promise<Principal<RegisteredUser> | null> {
  const visit = visitOf(context)
  const open = unverified(visit)
  if (open === null) {
    if (carrier.get(visit) === undefined) throw withoutGuard()
    return readPrincipal(carrier, visit)
  }
  await verify(visit, open)
  return carrier.get(visit)?.principal ?? null
}

function withoutGuard(): GateError {
  return new GateError(
    "config_invalid",
    "@CurrentPrincipal() met a handler that no guard of GateModule stands before: decorate it with @RequireUser() or @Public().",
  )
}
