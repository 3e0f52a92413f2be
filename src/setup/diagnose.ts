import { type OptionReader, readOptions } from "../option-reader.js"
import { accounts } from "./accounts.js"
import type { Administrator } from "./administrators-view.js"
import { client } from "./client.js"
import { type Finding, type Severity, type ToldFinding, tell, type Use } from "./finding.js"
import { logouts } from "./logouts.js"
import { realm } from "./realm.js"
import type { Seen } from "./seen.js"
import { keys, server } from "./server.js"
import { tokens } from "./tokens.js"
import { type SetUpParts, type Walk, walk } from "./walk.js"

/** What `diagnose` looks at beyond what it can see as the client itself. */
export interface DiagnoseOptions {
  /** What to look at; default: everything that the gate can do. */
  readonly uses?: readonly Use[] | undefined
  /** Attributes that the application sends with each registration, should the realm require some. */
  readonly attributes?: readonly string[] | undefined
  /**
   * Registers a throw-away person (`keycloak-gate-probe-…`), logs in as them and removes the account: only a person's
   * token shows some faults. Default false.
   */
  readonly probe?: boolean | undefined
  /** An administrator's login, which shows what the client's own rights don't. */
  readonly administrator?: Administrator | undefined
}

/** What is wrong with the set-up, most blocking first. */
export interface Diagnosis {
  /** Nothing is broken; there may be warnings and notes. */
  readonly ok: boolean
  readonly findings: readonly ToldFinding[]
}

/** All that can be found. The order is that of telling, within one severity. */
export const allFindings: readonly Finding[] = [
  ...server,
  ...keys,
  ...client,
  ...logouts,
  ...tokens,
  ...realm,
  ...accounts,
]

const severities: readonly Severity[] = ["broken", "warning", "note"]

export interface Found {
  readonly finding: Finding
  readonly told: ToldFinding
  readonly seen: Seen
}

/** One walk, and all that it shows. */
export async function findAll(parts: SetUpParts, how: Walk): Promise<readonly Found[]> {
  const found = (await walk(parts, how)).flatMap(seen => findingsIn(seen, how.uses))
  // Two service accounts may show one fault of the realm.
  const distinct = [...new Map(found.map(one => [`${one.told.id} ${one.told.what}`, one])).values()]
  return severities.flatMap(severity => distinct.filter(({ told }) => told.severity === severity))
}

function findingsIn(seen: Seen, uses: readonly Use[]): readonly Found[] {
  const isThere = ({ look, concerns }: Finding) =>
    (concerns === undefined || concerns.some(use => uses.includes(use))) && look(seen)
  // Nobody, or somebody else, answers: what the others would show is a consequence.
  const hiding = server.find(isThere)
  const there = hiding === undefined ? allFindings.filter(isThere) : [hiding]
  return there.map(finding => ({ finding, told: tell(finding, seen), seen }))
}

export function createDiagnose(parts: SetUpParts): (options?: DiagnoseOptions) => Promise<Diagnosis> {
  return async (options = {}) => {
    const found = await findAll(parts, readOptions("diagnose", options, readWalk))
    const findings = found.map(({ told }) => told)
    return Object.freeze({
      ok: findings.every(({ severity }) => severity !== "broken"),
      findings: Object.freeze(findings),
    })
  }
}

export const allUses: readonly Use[] = ["verifyBearer", "loginWithPassword", "registerUser"]

export function readUses(given: OptionReader, byDefault: readonly Use[]): readonly Use[] {
  const isUses = (found: unknown) =>
    Array.isArray(found) && found.length > 0 && found.every(use => allUses.includes(use))
  return given.one("uses", byDefault, `a list of some of ${allUses.join(", ")}`, isUses)
}

function readWalk(given: OptionReader): Walk {
  const uses = readUses(given, allUses)
  const attributes = given.texts("attributes")
  const probe = given.boolean("probe", false)
  const login = given.object("administrator")
  // What is given for it may be a secret, and is not shown.
  const text = (name: string, byDefault: string): string => {
    const found = login.value(name) ?? byDefault
    if (typeof found === "string" && (found !== "" || !given.has("administrator"))) return found
    login.note(name, `expected a non-empty string, got ${found === "" ? "none" : `a ${typeof found}`}`)
    return ""
  }
  const administrator = {
    username: text("username", ""),
    password: text("password", ""),
    realm: text("realm", "master"),
  }
  return { uses, attributes, probe, administrator: given.has("administrator") ? administrator : null }
}
