import type { FieldProblem } from "../errors.js"
import type { UserKey } from "../users/user-store.js"

/** What has become of one person. */
export type ImportedPerson<User> = AdoptedPerson<User> | RefusedPerson

/** Somebody who has an account with the row tied to it. */
export interface AdoptedPerson<User> {
  readonly key: UserKey
  /**
   * `"created"`: the account was made by this run. `"linked"`: it was begun by an earlier run or login, and was finished or tied
   * now. `"existing"`: there was nothing left to do. A dry run says what would become of them.
   */
  readonly outcome: "created" | "linked" | "existing"
  /** The account's id; null where a dry run has made none. */
  readonly subject: string | null
  /** The application's row; null in a dry run. */
  readonly user: User | null
  readonly code: null
  /** What the realm's profile requires of them and they lack: Keycloak asks for it before it lets them in. */
  readonly fields: readonly FieldProblem[]
}

/** Somebody who was left as they were. */
export interface RefusedPerson {
  /** Null where none could be read, or the account was closed by an earlier run. */
  readonly key: UserKey | null
  readonly outcome: "refused"
  readonly code: ImportRefusal
  readonly fields: readonly FieldProblem[]
  /** What it is, and what to do; holds nothing of what the person is called. */
  readonly message: string
}

/**
 * Why a person is refused.
 *
 * - `person_invalid`: a member is missing, of a wrong type, too long, or there is no such member.
 * - `hash_unreadable`: Keycloak can't read the hash, or can't bear it.
 * - `group_unknown`: the realm has no such group.
 * - `attribute_dropped`: Keycloak would take the attribute and drop it.
 * - `account_rejected`: Keycloak's rules refuse the account, or its opening; it stays closed then.
 * - `user_exists`: username or e-mail is that of an account which no import has made.
 * - `name_shared`: username or e-mail is that of another row's account. Keycloak takes `Ada` and `ada` for one name.
 * - `key_used`: this row's account has other names by now.
 * - `row_taken`: the row is tied to another account, or there is no such row.
 * - `account_gone`: somebody removed the account before it was opened.
 */
export type ImportRefusal =
  | "person_invalid"
  | "hash_unreadable"
  | "group_unknown"
  | "attribute_dropped"
  | "account_rejected"
  | "user_exists"
  | "name_shared"
  | "key_used"
  | "row_taken"
  | "account_gone"

const meanings: Readonly<Record<ImportRefusal, string>> = {
  person_invalid:
    "This person can't be used as it is. Mend the fields that are named, in the table or on the way from it.",
  hash_unreadable:
    "Keycloak can't read this hash, or can't bear to%s. Leave the person out, and the option `legacyLogin` brings the person in with " +
    "the first login. Or leave `password` out, and the person has to set a new one.",
  group_unknown: "The realm has no group with this path. Make it under Groups, or leave it out.",
  attribute_dropped:
    "Keycloak would drop this attribute without a word. Add it under Realm settings → User profile, and let administrators edit it.",
  account_rejected:
    "The realm's rules refuse this account. Mend the fields that are named, or change Realm settings → User profile.",
  user_exists:
    "Somebody else has registered under this username or e-mail. The two are never made one. Give the row another name, or ask the person.",
  name_shared:
    "Another row has an account with this username or e-mail: Keycloak takes large and small letters for the same. Give one of the two rows another name.",
  key_used:
    "This row has an account already, under another username and e-mail. Give the row the names of its account, or remove the account.",
  row_taken:
    "The store's `linkUser` did not tie this row: it is tied to another account, or there is no row with this key. An account that was made for it is gone again.",
  account_gone: "Somebody removed the account while it was being opened. Its row is tied to it.",
}

/** `what` is a name for the message, where it has a place for one. */
export function refused(
  key: UserKey | null,
  code: ImportRefusal,
  fields: readonly FieldProblem[] = [],
  what: string | null = null,
): RefusedPerson {
  const message = meanings[code].replace("%s", () => (what === null ? "" : ` (${what})`))
  return Object.freeze({ key, outcome: "refused", code, fields: Object.freeze([...fields]), message })
}
