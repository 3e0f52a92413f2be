export type { Claims, JsonValue } from "./bearer/claims.js"
export type { Principal, ServicePrincipal, UserPrincipal } from "./bearer/principal.js"
export type { Refusal } from "./bearer/refusal.js"
export type { Requirements } from "./bearer/requirements.js"
export type { PasswordChange } from "./change-password.js"
export type {
  FieldProblem,
  GateError,
  GateErrorCode,
  InvalidTokenReason,
  RequiredAccess,
  UnavailableReason,
} from "./errors.js"
export { isGateError } from "./errors.js"
export type { GateEvent } from "./events.js"
export type { Gate, Health } from "./gate.js"
export { createGate } from "./gate.js"
export type { PasswordCredentials, Session } from "./login-with-password.js"
export type { MailOptions } from "./mail-options.js"
export type {
  GateOptions,
  RegistrationDefaults,
  SignatureAlgorithm,
  Verification,
  VerificationMode,
} from "./options.js"
export type { EnvOptions } from "./options-from-env.js"
export { optionsFromEnv } from "./options-from-env.js"
export type { ReadyOptions, Use } from "./ready.js"
export type { Registered, Registration } from "./register-user.js"
export type { SetPasswordOptions } from "./set-password.js"
export type { SyncedPage, SyncProgress, SyncUsersOptions, UsersSync } from "./sync-users.js"
export { syncUsers } from "./sync-users.js"
export type { Account, AccountChanges } from "./update-account.js"
export type { MemoryUser } from "./user/memory-user-store.js"
export { memoryUserStore } from "./user/memory-user-store.js"
export type { RegisteredUser } from "./user/registered-user.js"
export type { SubjectRange, UserIdentity, UserProfile, UserStore } from "./user/user-store.js"
export type { Authorization, VerifyBearer } from "./verify-bearer.js"
