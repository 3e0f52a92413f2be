import { type GateError, invalidToken, isGateError, isOfSetUp } from "../errors.js"
import { createInForce } from "./in-force.js"
import type { LogoutToken, ReadLogoutToken } from "./logout-token.js"
import type { Revocation } from "./revocation.js"
import type { SharedStore } from "./shared.js"

/**
 * Takes a logout token for one of these clients: from then on what it ends is refused here, and in other processes with
 * `shared`.
 *
 * @throws {GateError} `invalid_token` with the reason; a token that was taken before is `revoked`
 * @throws {GateError} `keycloak_unavailable` when keys can't be loaded; `closed`
 * @throws {GateError} `store_unavailable` when other processes could not be told, with `failClosed` only; it holds here all
 * the same
 * @see OpenID Connect Back-Channel Logout 1.0 §2.5
 */
export type TakeLogoutToken = (token: string, clients: readonly string[]) => Promise<void>

export interface BackchannelLogoutParts {
  readonly read: ReadLogoutToken
  /** Revokes here at once, and resolves once others know, or can't be told in time. */
  readonly revoke: (revocation: Revocation) => Promise<void>
  /** Null: this process is alone. */
  readonly store: SharedStore | null
  readonly clockToleranceSeconds: number
  /** @throws {GateError} `closed` after `close()` */
  readonly assertOpen: () => void
  /** Hears of every refusal but those of tokens that Keycloak signs secretly: of these the first is enough. */
  readonly refused: (error: unknown) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

// Keycloak's live 120 s (26.7.4). A token that is taken twice ends only what has ended.
const maxTaken = 10_000

/**
 * A token is marked as taken after what it ends is revoked: should this process end in between, whoever sends it again is
 * heard.
 */
export function createBackchannelLogout(parts: BackchannelLogoutParts): TakeLogoutToken {
  const { read, revoke, store, clockToleranceSeconds, assertOpen, refused, now } = parts
  /** By `jti`, until when they would be taken. */
  const taken = createInForce<number>({ max: maxTaken, untilOf: until => until, now, dropped: () => undefined })

  let isSecretTold = false

  function tell(error: unknown): void {
    const isSecret = isGateError(error) && error.reason === "algorithm" && isOfSetUp(error)
    if (isSecret && isSecretTold) return
    isSecretTold ||= isSecret
    refused(error)
  }

  async function take(token: string, clients: readonly string[]): Promise<void> {
    assertOpen()
    const { id, exp, revocation }: LogoutToken = await read(token, clients)
    if (taken.get(id) !== undefined) throw takenBefore()
    const until = Math.ceil(exp + clockToleranceSeconds)
    const revoked = revoke(revocation)
    taken.set(id, until)
    const marked = store === null ? true : store.markLogoutToken(id, until)
    const isFirst = await Promise.all([marked, revoked]).then(
      ([first]) => first,
      (error: unknown) => {
        // Others do not know, so whoever sends it again is heard.
        if (isGateError(error)) taken.delete(id)
        throw error
      },
    )
    if (!isFirst) throw takenBefore()
  }

  return (token, clients) =>
    take(token, clients).catch((error: unknown) => {
      tell(error)
      throw error
    })
}

function takenBefore(): GateError {
  return invalidToken("revoked", "Refused a logout token that was taken before.")
}
