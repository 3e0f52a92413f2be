import type { Problems } from "./problems.js"
import type { FlowFile, KnownRealmFile } from "./realm-file.js"

/** What the flows of a realm make of a password grant. */
export interface PasswordFlow {
  /** False where the flow has no step for a one-time code, whatever the account has. */
  readonly asksForOneTimeCode: boolean
}

const asBuiltIn: PasswordFlow = { asksForOneTimeCode: true }

/** Reads the flows that this server runs through: one for people's passwords, one for clients. */
export function importFlows(file: KnownRealmFile, problems: Problems): PasswordFlow {
  const flows = file.authenticationFlows ?? []
  const ofClients = named(flows, file.clientAuthenticationFlow ?? "clients")
  if (ofClients === undefined && (file.clientAuthenticationFlow ?? "clients") !== "clients")
    problems.add("clientAuthenticationFlow", "the file has no such flow")
  if (ofClients !== undefined && !takesSecrets(ofClients, flows))
    problems.add(
      `authenticationFlows.${ofClients.alias}`,
      "it was changed, and the test realm takes the secrets of clients as Keycloak does by default",
    )

  const alias = file.directGrantFlow ?? "direct grant"
  const ofPeople = named(flows, alias)
  if (ofPeople === undefined && alias !== "direct grant") problems.add("directGrantFlow", "the file has no such flow")
  const known = passwordFlow(ofPeople, flows)
  if (known === null) problems.add(`authenticationFlows.${alias}`, changed)
  for (const client of file.clients ?? []) {
    const id = client.authenticationFlowBindingOverrides?.direct_grant ?? ""
    const own = flows.find(flow => flow.id === id)
    // A flow that logs people in as all others do is none of its own.
    if (id !== "" && JSON.stringify(passwordFlow(own ?? null, flows)) !== JSON.stringify(known))
      problems.add(`clients.${client.clientId}.authenticationFlowBindingOverrides`, changed)
  }
  return known ?? asBuiltIn
}

const changed = "it was changed, and the test realm logs people in as Keycloak does by default"

function named(flows: readonly FlowFile[], alias: string): FlowFile | undefined {
  return flows.find(flow => flow.alias === alias)
}

function takesSecrets(flow: FlowFile, flows: readonly FlowFile[]): boolean {
  return steps(flow, flows).some(step => /^client-secret (ALTERNATIVE|REQUIRED)$/.test(step))
}

/** Null for a flow that this server can't follow; a file without the flow has the one that Keycloak makes. */
function passwordFlow(flow: FlowFile | undefined | null, flows: readonly FlowFile[]): PasswordFlow | null {
  if (flow === undefined) return asBuiltIn
  if (flow === null) return null
  const [username, password, ...rest] = steps(flow, flows)
  if (username !== "direct-grant-validate-username REQUIRED") return null
  if (password !== "direct-grant-validate-password REQUIRED") return null
  if (rest.length === 0) return { asksForOneTimeCode: false }
  // Before Keycloak 8 a step could be optional; the import makes the condition of it that it is since.
  if (rest.join(", ") === "direct-grant-validate-otp OPTIONAL") return asBuiltIn
  const [, alias = ""] = /^(.+) CONDITIONAL$/.exec(rest[0] ?? "") ?? []
  const conditional = named(flows, alias)
  const ofCode = conditional === undefined ? [] : steps(conditional, flows)
  const isKnown = ofCode.join(", ") === "conditional-user-configured REQUIRED, direct-grant-validate-otp REQUIRED"
  return rest.length === 1 && isKnown ? asBuiltIn : null
}

/** What a flow really goes through, in its order; a required flow in it is part of it. */
function steps({ authenticationExecutions = [] }: FlowFile, flows: readonly FlowFile[], depth = 0): readonly string[] {
  return [...authenticationExecutions]
    .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0))
    .filter(
      ({ authenticator, requirement }) => requirement !== "DISABLED" && authenticator !== "conditional-credential",
    )
    .flatMap(({ authenticator, flowAlias, requirement }) => {
      const part = requirement === "REQUIRED" && depth < 10 ? named(flows, flowAlias ?? "") : undefined
      return part === undefined ? [`${authenticator ?? flowAlias} ${requirement}`] : steps(part, flows, depth + 1)
    })
}
