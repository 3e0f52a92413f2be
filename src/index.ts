export type { PasswordChange } from "./accounts/change-password.js"
export type { AccountSession } from "./accounts/keycloak/sessions.js"
export type { MailOptions } from "./accounts/mail-options.js"
export type { Registered, Registration } from "./accounts/register-user.js"
export type { RegistrationDefaults } from "./accounts/registration-defaults.js"
export type { SetPasswordOptions } from "./accounts/set-password.js"
export type { Account, AccountChanges } from "./accounts/update-account.js"
export { parseDjangoHash } from "./adoption/django-hash.js"
export type { AdoptedPerson, ImportedPerson, ImportRefusal, RefusedPerson } from "./adoption/import-result.js"
export type { ImportCounts, ImportPerson, ImportUsersOptions, People } from "./adoption/import-run.js"
export type { LegacyCredentials, LegacyLogin } from "./adoption/legacy-login.js"
export type { LinkCounts, LinkedAccount, LinkUsersOptions } from "./adoption/link-run.js"
export type { Argon2Parameters, PasswordHash } from "./adoption/password-hash.js"
export type { Person } from "./adoption/person.js"
export { parsePhcHash } from "./adoption/phc-hash.js"
export type { KeycloakMessage, TraceMessage, VerbMessage, VerifyMessage } from "./channels.js"
export type { GateErrorCode } from "./error-codes.js"
export type {
  AnyGateError,
  FieldProblem,
  GateErrorDetails,
  InvalidTokenReason,
  RequiredAccess,
  UnavailableReason,
} from "./errors.js"
export { GateError, isGateError } from "./errors.js"
export type { Endpoint, GateEvent } from "./events.js"
export type { Gate } from "./gate.js"
export { createGate } from "./gate.js"
export type { Health } from "./gate-health.js"
export type { UsersImport } from "./import-users.js"
export { importUsers } from "./import-users.js"
export type { Session } from "./keycloak/session.js"
export type { UsersLink } from "./link-users.js"
export { linkUsers } from "./link-users.js"
export type { PasswordCredentials } from "./login/login-with-password.js"
export type {
  GateOptions,
  SignatureAlgorithm,
  Verification,
} from "./options/gate-options.js"
export type { EnvOptions } from "./options/options-from-env.js"
export { optionsFromEnv } from "./options/options-from-env.js"
export type { Refusal } from "./refusal.js"
export type {
  RegisteredClientRoles,
  RegisteredGroup,
  RegisteredRealmRole,
  RegisteredScope,
} from "./register.js"
export type { KeptRevocation, Revocation } from "./sessions/revocation.js"
export type { Revoked } from "./sessions/revoke.js"
export type { SharedRevocations, SharedState, SharedStore, SharingGate } from "./sessions/shared.js"
export type { Administrator } from "./setup/administrators-view.js"
export type { DiagnoseOptions, Diagnosis } from "./setup/diagnose.js"
export type { Severity, ToldFinding, Use } from "./setup/finding.js"
export type { ReadyOptions } from "./setup/ready.js"
export type { UsersSync } from "./sync-users.js"
export { syncUsers } from "./sync-users.js"
export type { CachedUserStore, CachedUserStoreOptions } from "./users/cached-user-store.js"
export { cachedUserStore } from "./users/cached-user-store.js"
export type { CustomProfile, CustomValues, ProfileAccount } from "./users/custom-profile.js"
export type { MemoryUser, MemoryUserStore, UnlinkedMemoryUser } from "./users/memory-user-store.js"
export { memoryUserStore } from "./users/memory-user-store.js"
export type { RegisteredUser } from "./users/registered-user.js"
export type { SyncedPage, SyncProgress, SyncUsersOptions } from "./users/sync/sync-run.js"
export type { SubjectRange, UserIdentity, UserKey, UserProfile, UserStore } from "./users/user-store.js"
export type { Claims, JsonValue } from "./verify/claims.js"
export type { Hold, HoldEnd, HoldOptions, HoldToken } from "./verify/hold.js"
export type { Principal, ServicePrincipal, UserPrincipal } from "./verify/principal.js"
export type { Requirements } from "./verify/requirements.js"
export type { VerificationMode } from "./verify/verification.js"
export type { Authorization, VerifyBareToken, VerifyBearer } from "./verify/verify-bearer.js"
