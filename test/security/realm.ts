import { createGate, type Gate, type GateOptions, isGateError, type Principal } from "../../src/index.js"
import { type Issuer, startIssuer } from "../support/issuer.ts"
import { secretsIn } from "../support/refusal-of.ts"
import { signByHand } from "../support/sign-by-hand.ts"

/** One realm on a real socket and a gate in front of it. */
export interface Realm {
  readonly issuer: Issuer
  readonly gate: Gate<null>
  readonly makeGate: (more?: Partial<GateOptions<never>>) => Gate<null>
  /** The principal of a token. */
  readonly accept: (token: string, gate?: Gate<null>) => Promise<Principal<null>>
  /** `accepted`, or code and reason of the refusal. */
  readonly verdict: (token: string, gate?: Gate<null>) => Promise<string>
  /** A token of a person, signed by the realm's own key, with these claims and this header in place of the usual ones. */
  readonly sign: (changes?: Changes) => string
  readonly close: () => Promise<void>
}

interface Changes {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** Instead of the header or the payload, exactly as given. */
  readonly headerText?: string | Uint8Array
  readonly payloadText?: string | Uint8Array
}

export async function startRealm(alg = "ES256", options: Partial<GateOptions<never>> = {}): Promise<Realm> {
  const issuer = await startIssuer()
  if (alg !== "RS256") await issuer.rotate(alg)
  const gates: Gate<null>[] = []

  function makeGate(more: Partial<GateOptions<never>> = {}): Gate<null> {
    const { url: serverUrl, realm, clientId } = issuer
    const base = { serverUrl, realm, clientId, onEvent: () => undefined }
    const gate = createGate({ ...base, ...options, ...more, userStore: undefined })
    gates.push(gate)
    return gate
  }
  const gate = makeGate()

  return {
    issuer,
    gate,
    makeGate,
    accept: (token, by = gate) => by.verifyBearer(`Bearer ${token}`, { kind: "any" }),
    verdict: (token, by = gate) =>
      by.verifyBearer(`Bearer ${token}`, { kind: "any" }).then(
        () => "accepted",
        (error: unknown) => {
          if (!isGateError(error)) throw error
          const leaks = secretsIn(error)
          return leaks.length > 0 ? `shows ${leaks.join(", ")}` : `${error.code} ${error.reason ?? ""}`.trim()
        },
      ),
    sign({ claims, header, headerText, payloadText } = {}) {
      const { kid, privateKey } = issuer.signingKey()
      const usual = { alg: issuer.signingKey().alg, typ: "JWT", kid }
      return signByHand(headerText ?? { ...usual, ...header }, payloadText ?? issuer.claims(claims), alg, privateKey)
    },
    async close() {
      for (const one of gates) one.close()
      await issuer.close()
    },
  }
}
