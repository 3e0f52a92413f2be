import { type Answer, oauthError, serverError } from "../answer.js"
import { type Account, requireAction } from "../realm/accounts.js"
import { plainPassword, storedPassword } from "../realm/password.js"
import type { RealmModel } from "../realm/realm-model.js"
import { isIncomplete } from "../realm/user-profile.js"
import { valuesOf } from "./protocol-mappers.js"

/** The account that a password logs in to, or Keycloak's refusal; failures count towards the brute-force lock. */
export function logIn(realm: RealmModel, form: URLSearchParams, scopes: readonly string[]): Account | Answer {
  const username = form.get("username")
  if (username === null) return oauthError(401, "invalid_request", "Missing parameter: username")
  const account = accountNamed(realm, username)
  if (account === undefined || realm.bruteForce.isLocked(account)) return invalidCredentials()
  if (account.password?.isUnreadable) return serverError()
  if (!isProven(realm, account, form)) {
    realm.bruteForce.failed(account)
    return invalidCredentials()
  }
  if (!account.enabled) return oauthError(400, "invalid_grant", "Account disabled")
  if (isUnfinished(realm, account, scopes)) return oauthError(400, "invalid_grant", "Account is not fully set up")
  realm.bruteForce.succeeded(account)
  return account
}

function invalidCredentials(): Answer {
  return oauthError(400, "invalid_grant", "Invalid user credentials")
}

function accountNamed({ accounts, settings }: RealmModel, username: string): Account | undefined {
  const byEmail = settings.loginWithEmail && username.includes("@") ? accounts.byEmail(username) : undefined
  const account = byEmail ?? accounts.byUsername(username)
  return account?.serviceAccountOf === null ? account : undefined
}

function isProven({ settings }: RealmModel, account: Account, form: URLSearchParams): boolean {
  const given = form.get("password") ?? ""
  if (account.password?.isRight(given) !== true) return false
  // By the realm's policy, as Keycloak does it at the first right password; the credential stays the one it was.
  if (account.password.isForeign) account.password = storedPassword(plainPassword(given), account.password)
  if (account.oneTimeCodes.length === 0 || !settings.asksForOneTimeCode) return true
  const code = form.get("otp") ?? form.get("totp") ?? ""
  return account.oneTimeCodes.some(one => one.accept(code, settings.oneTimeCodes))
}

function isUnfinished(realm: RealmModel, account: Account, scopes: readonly string[]): boolean {
  const isUnverified = realm.settings.verifyEmail && !account.emailVerified
  // It stays asked for, even when somebody else verifies the e-mail.
  if (isUnverified) requireAction(account, "VERIFY_EMAIL")
  const profileIsChecked = realm.requiredActions.get("VERIFY_PROFILE")?.isEnabled === true
  return (
    account.requiredActions.length > 0 ||
    isUnverified ||
    (profileIsChecked && isIncomplete(realm.profile, valuesOf(account), scopes))
  )
}
