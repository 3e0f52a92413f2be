import { loadOnce } from "../load-once.js"
import type { AfterRefusal } from "../login/login-with-password.js"
import type { MoveAtLogin, MoveAtLoginParts } from "./move-at-login.js"

/** What becomes of a login that Keycloak has refused, where the application may know the person. */
export interface LegacyLogins {
  readonly afterRefusal: AfterRefusal
  readonly close: () => void
}

/** Loaded with the first login that is refused. */
export function createLegacyLogins<User>(parts: MoveAtLoginParts<User>): LegacyLogins {
  let loaded: MoveAtLogin | null = null
  const load = loadOnce(async () => {
    const { createMoveAtLogin } = await import("./move-at-login.js")
    loaded = createMoveAtLogin(parts)
    return loaded
  })

  return {
    async afterRefusal(login) {
      const { moveAtLogin } = await load()
      parts.connection.transport.assertOpen("anonymous")
      return moveAtLogin(login)
    },
    close: () => loaded?.close(),
  }
}
