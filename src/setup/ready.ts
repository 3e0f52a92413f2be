import { GateError } from "../errors.js"
import { readOptions } from "../option-reader.js"

/** What an application does with its gate. */
export type Use = "verifyBearer" | "loginWithPassword" | "registerUser"

export interface ReadyOptions {
  /**
   * What to look at; default: all three with a client secret, `verifyBearer` alone without. `loginWithPassword` sends one
   * login with an empty name, which leaves one LOGIN_ERROR event in Keycloak.
   */
  readonly uses?: readonly Use[] | undefined
}

/** Looks at Keycloak's side of the set-up and returns everything that is wrong. */
export type InspectSetUp = (uses: readonly Use[]) => Promise<readonly GateError[]>

const allUses: readonly Use[] = ["verifyBearer", "loginWithPassword", "registerUser"]

export function createReady(inspect: InspectSetUp, hasSecret: boolean): (options?: ReadyOptions) => Promise<void> {
  return async (options = {}) => {
    const uses = readOptions("ready", options, given =>
      given.one<readonly Use[]>(
        "uses",
        hasSecret ? allUses : ["verifyBearer"],
        `a list of some of ${allUses.join(", ")}`,
        one => Array.isArray(one) && one.length > 0 && one.every(use => allUses.includes(use)),
      ),
    )
    const findings = await inspect(uses)
    if (findings.length > 0) throw notReady(findings)
  }
}

function notReady(all: readonly GateError[]): GateError {
  // One wrong secret fails every request in the same words.
  const findings = [...new Map(all.map(finding => [finding.message, finding])).values()]
  const code = findings.find(finding => finding.code === "keycloak_unavailable")?.code ?? findings[0]?.code
  const [first = "", ...others] = findings.map(finding => finding.message)
  const message =
    others.length === 0 ? first : [first, ...others].map((text, index) => `${index + 1}. ${text}`).join("\n")
  const retryAfterSeconds = findings.map(finding => finding.retryAfterSeconds).find(seconds => seconds !== null)
  return new GateError(code ?? "keycloak_refused_us", message, {
    cause: new AggregateError(findings, "what ready() found"),
    retryAfterSeconds,
  })
}
