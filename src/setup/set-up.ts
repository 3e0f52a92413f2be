import { createDiagnose, type DiagnoseOptions, type Diagnosis } from "./diagnose.js"
import { createReady, type ReadyOptions } from "./ready.js"
import type { SetUpParts } from "./walk.js"

/** The verbs that look at the set-up; none of them is ever required. */
export interface SetUpVerbs {
  /**
   * Resolves when Keycloak is set up for what this application does; otherwise throws one error that names everything
   * that is broken, why, and the mend. Never required: the gate is lazy and heals by itself.
   *
   * @throws {GateError} `keycloak_unavailable` or `keycloak_refused_us`; `cause` is an AggregateError of all findings
   */
  readonly ready: (options?: ReadyOptions) => Promise<void>
  /**
   * Everything that is wrong with the set-up, warnings and notes included, most blocking first. What is broken here is
   * what `ready()` throws.
   *
   * Nothing is changed in Keycloak, unless `probe` is asked for.
   *
   * @throws {GateError} `closed`
   */
  readonly diagnose: (options?: DiagnoseOptions) => Promise<Diagnosis>
}

export function createSetUp(parts: SetUpParts): SetUpVerbs {
  return { ready: createReady(parts), diagnose: createDiagnose(parts) }
}
