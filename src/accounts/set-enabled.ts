import { GateError } from "../errors.js"
import { unknownSubject } from "../users/subject.js"
import type { ChangeAccount } from "./change-account.js"

/** @throws {GateError} `keycloak_unavailable` where somebody else keeps undoing it */
export async function setEnabled(changeAccount: ChangeAccount, id: string, enabled: boolean): Promise<void> {
  const account = await changeAccount(id, account => (account.enabled === enabled ? {} : { enabled }))
  if (account === null) throw unknownSubject()
  if (account.enabled === enabled) return
  throw new GateError(
    "keycloak_unavailable",
    `Somebody else keeps ${enabled ? "disabling" : "enabling"} the account at the same time; try again.`,
  )
}
