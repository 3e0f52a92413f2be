import type { RequiredAction } from "../realm/required-actions.js"
import { builtInRequiredActions } from "./built-in.js"
import type { Migrations } from "./migrations.js"
import type { KnownRealmFile, RequiredActionFile } from "./realm-file.js"

export function importRequiredActions(
  file: KnownRealmFile,
  migrations: Migrations,
): ReadonlyMap<string, RequiredAction> {
  const listed = file.requiredActions?.filter(({ alias }) => alias !== undefined).map(actionOf)
  if (listed === undefined) return new Map(Object.entries(builtInRequiredActions))
  const actions = new Map(listed.map(action => [action.alias, action]))
  for (const alias of ["delete_account", ...migrations.requiredActions]) {
    const builtIn = builtInRequiredActions[alias]
    if (builtIn !== undefined && !actions.has(alias)) actions.set(alias, builtIn)
  }
  if (migrations.movesRequiredActions) moveBehindVerifyEmail(actions)
  return actions
}

function actionOf({
  alias: given,
  name = "",
  providerId: ofProvider,
  priority = 0,
  ...file
}: RequiredActionFile): RequiredAction {
  const [alias, providerId] = [actionNamed(given), actionNamed(ofProvider ?? given)]
  return {
    ...{ alias, name: name === "Configure Totp" ? "Configure OTP" : name, providerId, priority },
    ...{ isEnabled: file.enabled ?? false, isDefault: file.defaultAction ?? false, config: file.config ?? {} },
  }
}

/** Names of built-in actions have been written in other cases. */
export function actionNamed(given: string): string {
  const known = Object.keys(builtInRequiredActions).find(alias => alias.toLowerCase() === given.toLowerCase())
  return known ?? given
}

/** Since 26.7 a password is changed once the e-mail is verified. */
function moveBehindVerifyEmail(actions: Map<string, RequiredAction>): void {
  const [verify, code, password] = ["VERIFY_EMAIL", "CONFIGURE_TOTP", "UPDATE_PASSWORD"].map(one => actions.get(one))
  if (verify === undefined) return
  const priorities = [...actions.values()].map(({ priority }) => priority)
  const isAsBuiltIn = verify.priority === 50 && code?.priority === 10 && password?.priority === 30
  const next = (after: number) => {
    let free = after + 1
    while (priorities.includes(free)) free++
    return free
  }
  const ofCode = isAsBuiltIn ? 54 : next(verify.priority)
  const ofPassword = isAsBuiltIn ? 57 : next(code === undefined ? verify.priority : ofCode)
  if (code !== undefined) actions.set(code.alias, { ...code, priority: ofCode })
  if (password !== undefined) actions.set(password.alias, { ...password, priority: ofPassword })
}
