import type { Connection } from "../keycloak/connection.js"
import type { Check } from "./check.js"
import { type Expectations, parseClaims } from "./claims.js"
import { createPrincipalCache } from "./principal-cache.js"
import { type AskAlive, createAskAlive } from "./session/account-alive.js"
import { type AskAgain, askByIntrospection, askByUserinfo } from "./session/ask-again.js"
import { createIntrospect, createIntrospection } from "./session/introspection.js"
import { createRecheck, type Recheck } from "./session/recheck.js"
import { createUserinfo, subjectOf } from "./session/userinfo.js"
import type { Jwk } from "./token/fetch-keys.js"
import { createKeySet, type KeySet } from "./token/key-set.js"
import { createTokenVerifier, logoutTokenTypes, type VerifyToken } from "./token/token-verifier.js"
import type { IssuerVerification } from "./verify-bearer.js"

/** How a token is proven: by its signature alone, or by asking Keycloak on each request as well. */
export type VerificationMode = "local" | "introspection" | "userinfo"

export interface VerificationSettings {
  readonly mode: VerificationMode
  /** 0: every request asks. */
  readonly cacheSeconds: number
  /** Null: the mode's own; in local mode nobody is asked beside the requests. */
  readonly recheckSeconds: number | null
  /** Null: tokens for any application are taken. */
  readonly audience: string | null
  readonly algorithms: readonly string[]
  readonly clockToleranceSeconds: number
  readonly maxTokenBytes: number
  /** 0 remembers no verified token. */
  readonly maxCachedTokens: number
  readonly keySet: { readonly maxAgeSeconds: number; readonly cooldownSeconds: number }
}

/** How the tokens of one realm are verified. */
export interface Verification {
  readonly ofIssuer: IssuerVerification
  /** The signature of a logout token, by the keys that sign access tokens. */
  readonly verifyLogoutToken: VerifyToken
  readonly maxTokenBytes: number
  /** Scopes that a login has to ask for, so that its tokens can be verified. */
  readonly neededScopes: readonly string[]
  readonly askAlive: AskAlive
  /** How holds ask; null: they don't. */
  readonly askAgain: AskAgain | null
  readonly keys: Pick<KeySet, "state" | "load">
  /** How many questions about tokens wait for their turn. */
  readonly backlog: Recheck["backlog"]
  readonly close: () => void
}

// Where each request asks, and nothing is set.
const askedAboutHoldsSeconds = 30

export function createVerification(settings: VerificationSettings, connection: Connection): Verification {
  const { mode, cacheSeconds, recheckSeconds, audience, clockToleranceSeconds } = settings
  const { realm, clientId, clientSecret, sharing, transport, report, now, elapsed } = connection
  const { issuer } = realm
  const expected: Expectations = { issuer, audience, clockToleranceSeconds, now }
  const checkClaims = (payload: Readonly<Record<string, unknown>>) => parseClaims(payload, expected)
  const keySet = createKeySet({
    ...settings.keySet,
    transport,
    certsUrl: realm.certsUrl,
    ...sharing,
    report,
    elapsed,
  })
  const { algorithms } = settings
  const verifyLocally = createTokenVerifier({ keySet, issuer, algorithms })
  const introspector = connection.clientAt(realm.introspectionUrl)
  const userinfoClient = connection.clientAt(realm.userinfoUrl)
  const introspect = createIntrospect(introspector, transport, "verification")
  const introspectBeside = createIntrospect(introspector, transport, "background")

  const byMode: Readonly<Record<VerificationMode, () => VerifyToken>> = {
    local: () => verifyLocally,
    introspection: () =>
      createIntrospection({ client: introspector, introspect, expected, cacheSeconds, ...sharing, elapsed }),
    userinfo: () =>
      createUserinfo({
        client: userinfoClient,
        transport,
        verifyLocally,
        checkClaims,
        cacheSeconds,
        ...sharing,
        now,
        elapsed,
      }),
  }
  const recheck =
    recheckSeconds === null || mode !== "local"
      ? null
      : createRecheck({
          introspect: introspectBeside,
          introspectionUrl: introspector.url,
          clientId,
          recheckSeconds,
          background: sharing.background,
          report,
          now,
          elapsed,
        })

  const askByMode: Readonly<Record<VerificationMode, () => AskAgain["ask"]>> = {
    local: () => askByIntrospection(introspectBeside, clientId),
    introspection: () => askByIntrospection(introspectBeside, clientId),
    userinfo: () => askByUserinfo(token => subjectOf(token, userinfoClient, transport, "background")),
  }
  const everySeconds = recheckSeconds ?? (mode === "local" ? null : askedAboutHoldsSeconds)

  return {
    ofIssuer: {
      issuer,
      verifyToken: byMode[mode](),
      parseClaims: checkClaims,
      verified: createPrincipalCache({
        // Whoever wants Keycloak asked on every request wants no verdict of before.
        maxTokens: mode === "local" ? settings.maxCachedTokens : 0,
        clockToleranceSeconds,
        isPublished: key => keySet.publishes(key as Jwk),
        now,
      }),
      checks: recheck === null ? [] : [rechecking(recheck)],
    },
    verifyLogoutToken: createTokenVerifier({ keySet, issuer, algorithms, types: logoutTokenTypes }),
    maxTokenBytes: settings.maxTokenBytes,
    neededScopes: mode === "userinfo" ? ["openid"] : [],
    askAlive: createAskAlive({
      clientId,
      introspect: clientSecret === null ? null : introspect,
      askUserinfo: token => subjectOf(token, userinfoClient, transport, "verification"),
    }),
    askAgain: everySeconds === null ? null : { everySeconds, isDueAtOnce: mode === "local", ask: askByMode[mode]() },
    keys: keySet,
    backlog: () => recheck?.backlog() ?? 0,
    close() {
      keySet.close()
      recheck?.close()
    },
  }
}

function rechecking(recheck: Recheck): Check {
  return {
    passes: ({ claims }) => recheck.isQuiet(claims),
    assert: ({ claims }, { token }) => recheck.see(claims, token),
  }
}
