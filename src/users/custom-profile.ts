import type { UserProfile } from "./user-store.js"

/** What a profile holds where no source tells anything of the application's own. */
export const noCustom: UserProfile["custom"] = Object.freeze({})
