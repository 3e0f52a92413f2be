import { GateError } from "../errors.js"
import { readOptions } from "../option-reader.js"
import { allUses, type Found, findAll, readUses } from "./diagnose.js"
import type { Use } from "./finding.js"
import type { SetUpParts } from "./walk.js"

/** What `ready` looks at. */
export interface ReadyOptions {
  /**
   * What to look at; default: all three with a client secret, `verifyBearer` alone without. `loginWithPassword` sends one
   * login with an empty name, which leaves one LOGIN_ERROR event in Keycloak.
   */
  readonly uses?: readonly Use[] | undefined
  /** Attributes that the application sends with each registration, should the realm require some. */
  readonly attributes?: readonly string[] | undefined
}

export function createReady(parts: SetUpParts): (options?: ReadyOptions) => Promise<void> {
  const byDefault: readonly Use[] = parts.connection.clientSecret === null ? ["verifyBearer"] : allUses
  return async (options = {}) => {
    const { uses, attributes } = readOptions("ready", options, given => ({
      uses: readUses(given, byDefault),
      attributes: given.texts("attributes"),
    }))
    const found = await findAll(parts, { uses, attributes, probe: false, administrator: null })
    const broken = found.filter(({ told }) => told.severity === "broken")
    if (broken.length > 0) throw notReady(broken.map(errorOf))
    // So that the first request need not wait for them.
    await parts.keys.load()
  }
}

function errorOf({ finding, told, seen }: Found): GateError {
  const { what, why, mend } = told
  if (finding.isOutage === undefined) return new GateError("keycloak_refused_us", `${what} ${why} ${mend}`)
  const retryAfterSeconds = [seen.discovery, seen.grant, seen.emptyLogin, seen.keys]
    .map(reply => reply?.retryAfterSeconds ?? null)
    .find(seconds => seconds !== null)
  return new GateError("keycloak_unavailable", `${what} Callers get 503. ${why} ${mend}`, { retryAfterSeconds })
}

function notReady(errors: readonly GateError[]): GateError {
  const code = errors.find(error => error.code === "keycloak_unavailable")?.code ?? "keycloak_refused_us"
  const [first = "", ...others] = errors.map(({ message }) => message)
  const message =
    others.length === 0 ? first : [first, ...others].map((text, index) => `${index + 1}. ${text}`).join("\n")
  const retryAfterSeconds = errors.map(error => error.retryAfterSeconds).find(seconds => seconds !== null)
  return new GateError(code, message, {
    cause: new AggregateError(errors, "what ready() found"),
    retryAfterSeconds,
  })
}
