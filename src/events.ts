import type { GateError } from "./errors.js"

/** What Keycloak is asked. */
export type Endpoint = "discovery" | "keys" | "token" | "introspection" | "userinfo" | "logout" | "admin"

/** What `onEvent` hears; `error.message` says what happened, why, and the mend, and holds no secret. */
export type GateEvent =
  | { readonly type: "refusal"; readonly error: GateError }
  /** A registration failed, and its account exists or may exist: the library goes on trying to finish it. */
  | { readonly type: "registration_unsettled"; readonly subject: string | null; readonly error: GateError }
  /** The account has all that the registration was to give it; or there is none, or it is somebody else's by now. */
  | {
      readonly type: "registration_settled"
      readonly outcome: "finished" | "absent"
      readonly subject: string | null
    }
  /** Nothing is tried any more; `error` names the account and what it may lack. */
  | {
      readonly type: "registration_settled"
      readonly outcome: "abandoned"
      readonly subject: string | null
      readonly error: GateError
    }
  /**
   * `recheckSeconds`: Keycloak does not let us ask about sessions, so the last verdicts stay; told once, when that begins. An
   * outage is told as one.
   */
  | { readonly type: "recheck_failed"; readonly error: GateError }
  /** `watchEvents`: we may not read events, or the realm does not save them; told once, when that begins. An outage is told as one. */
  | { readonly type: "watch_failed"; readonly error: GateError }
  /** Keycloak does not answer these; told once, when that begins. Refusals of requests for that reason are counted, not told. */
  | {
      readonly type: "keycloak_down"
      readonly endpoints: readonly Endpoint[]
      readonly since: Date
      readonly error: GateError
    }
  /** It answers again; `refused` is how many calls had to be refused meanwhile. */
  | { readonly type: "keycloak_up"; readonly downSince: Date; readonly downSeconds: number; readonly refused: number }
  /** Keycloak's keys can't be renewed: tokens are verified with the last ones for that long, then nobody is let in. */
  | {
      readonly type: "keys_ageing"
      readonly ageSeconds: number
      readonly usableForSeconds: number
      readonly error: GateError
    }
  /**
   * Several tokens, all signed by the realm, were refused as expired, and none was accepted meanwhile: this machine's clock
   * may be ahead. Told once until a token is accepted.
   */
  | { readonly type: "clock_doubtful"; readonly error: GateError }
  /** A call of the user store did not settle in time; told once until one has settled again. */
  | { readonly type: "store_slow"; readonly call: string; readonly error: GateError }
  /** An account exists, and the mail that `sendPasswordReset` was asked for did not go out: its caller must not know. */
  | { readonly type: "mail_not_sent"; readonly error: GateError }
  /** Sessions that a verb was to end may live on; nothing is tried any more. */
  | { readonly type: "sessions_not_ended"; readonly subject: string; readonly error: GateError }
  /** So many of one kind are revoked that the oldest had to go before its tokens expired; told until there is room again. */
  | { readonly type: "revocation_dropped"; readonly most: number }
  /**
   * Access tokens live longer than `longestTokenSeconds`. What is revoked is kept that long from now on. What was forgotten
   * before is not known again. Told once.
   */
  | { readonly type: "long_tokens"; readonly lifeSeconds: number; readonly longestTokenSeconds: number }
  /**
   * `legacyLogin`: somebody whom Keycloak does not know. `"moved"` has an account since then, `"known"` had one of another
   * name or by a login at the same time. For `"unknown"` the application answered null, for `"limited"` it was not asked.
   * Keycloak's brute-force lock counts none of them.
   */
  | {
      readonly type: "legacy_login"
      readonly outcome: "moved" | "known"
      readonly subject: string
      readonly key: string | number | bigint
    }
  | { readonly type: "legacy_login"; readonly outcome: "unknown" | "limited" }
  /** Nobody was let in, be the password right or wrong, and the account is closed, if there is one. `key`: whose it is. */
  | {
      readonly type: "legacy_login"
      readonly outcome: "failed"
      readonly key: string | number | bigint | null
      readonly error: GateError
    }
  /** As `"failed"`, by what a function or the store of the application has thrown. */
  | { readonly type: "legacy_login"; readonly outcome: "threw"; readonly key: string | number | bigint | null }
  /**
   * `shared`: Redis does not answer, so what other processes end is not known here; told once, when that begins. With
   * `failClosed` requests are refused meanwhile.
   */
  | { readonly type: "shared_down"; readonly since: Date; readonly error: GateError }
  /** It answers again, and all that is known is shared. */
  | { readonly type: "shared_up"; readonly downSince: Date; readonly downSeconds: number }
  /** `shared`: something else writes into Redis under our names; left alone, and told once. */
  | { readonly type: "shared_junk"; readonly error: GateError }

export type Report = (event: GateEvent) => void
