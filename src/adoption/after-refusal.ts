import type { AfterRefusal } from "../login/login-with-password.js"
import type { MoveAtLogin, MoveAtLoginParts } from "./move-at-login.js"

/** What becomes of a login that Keycloak has refused, where the application may know the person. */
export interface LegacyLogins {
  readonly afterRefusal: AfterRefusal
  readonly close: () => void
}

/** Loaded with the first login that is refused. */
export function createLegacyLogins<User>(parts: MoveAtLoginParts<User>): LegacyLogins {
  let loading: Promise<MoveAtLogin> | null = null
  let loaded: MoveAtLogin | null = null

  function load(): Promise<MoveAtLogin> {
    loading ??= import("./move-at-login.js").then(
      ({ createMoveAtLogin }) => {
        loaded = createMoveAtLogin(parts)
        return loaded
      },
      (error: unknown) => {
        // The file may be there at the next call: a new version is being unpacked, for one.
        loading = null
        throw error
      },
    )
    return loading
  }

  return {
    async afterRefusal(login) {
      const { moveAtLogin } = await load()
      parts.connection.transport.assertOpen("anonymous")
      return moveAtLogin(login)
    },
    close: () => loaded?.close(),
  }
}
