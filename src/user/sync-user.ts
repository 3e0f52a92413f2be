import QuickLRU from "quick-lru"
import type { Principal } from "../bearer/principal.js"
import { invalidToken } from "../errors.js"
import type { UserIdentity, UserProfile, UserStore } from "./user-store.js"

/** Keeps the application's row in step with what tokens tell. */
export interface UserSync<User> {
  /** The row of a verified principal, inserted or updated first where needed. */
  syncUser(principal: Principal<null>): Promise<User>
  /** Saves what a registration has just created. */
  saveRegistered(profile: UserProfile, extra: unknown): Promise<User>
  /** Saves what a listing of all accounts tells. */
  saveListed(profile: UserProfile): Promise<User>
  /** Removes the row; tokens issued until then (milliseconds, Keycloak's clock) are refused: they would make it again. */
  removeUser(identity: UserIdentity, issuedUntil: number): Promise<void>
}

// Subjects remembered per process. Forgetting one costs one upsert at its next request, nothing else.
const rememberedSubjects = 50_000

interface Saved {
  readonly asOf: number
  readonly values: string
}

/**
 * The last step of `verifyBearer`: one `findUser` per request, and `saveUser` at the first sight of a subject in this
 * process, when its row is gone, or when a later token carries other values than were last saved.
 */
export function createUserSync<User>(store: UserStore<User>): UserSync<User> {
  const saved = new QuickLRU<string, Saved>({ maxSize: rememberedSubjects })
  const saving = new Map<string, Promise<User>>()
  const removed = new QuickLRU<string, number>({ maxSize: rememberedSubjects })

  function assertThere(subject: string, issuedAt: number): void {
    const issuedUntil = removed.get(subject)
    if (issuedUntil === undefined || issuedAt > issuedUntil) return
    throw invalidToken("revoked", "Refused a token of an account that was deleted through this gate.")
  }

  async function save(profile: UserProfile, extra?: unknown): Promise<User> {
    const user = await store.saveUser(profile, extra)
    remember(profile)
    return user
  }

  function remember(profile: UserProfile): void {
    saved.set(profile.subject, { asOf: profile.asOf.getTime(), values: valuesOf(profile) })
  }

  /** One `saveUser` at a time for one subject: whoever comes second reads the row that the first has written. */
  function saveOnce(profile: UserProfile): Promise<User> {
    assertThere(profile.subject, profile.asOf.getTime())
    const first = saving.get(profile.subject)
    if (first !== undefined) return first.then(async user => (await store.findUser(profile)) ?? user)
    const promise = save(profile).finally(() => saving.delete(profile.subject))
    saving.set(profile.subject, promise)
    return promise
  }

  return {
    saveRegistered: save,
    async saveListed(profile) {
      const user = await store.saveUser(profile)
      // Only who is remembered already: a whole realm would push out the people who are active.
      const before = saved.peek(profile.subject)
      if (before !== undefined && before.asOf <= profile.asOf.getTime()) remember(profile)
      return user
    },
    async syncUser(principal) {
      const { issuer, subject } = principal
      const before = saved.get(subject)
      if (before === undefined || issuedAt(principal) > before.asOf) {
        const profile = profileOf(principal)
        const isNews = before === undefined || valuesOf(profile) !== before.values
        if (isNews && tellsProfile(principal)) return saveOnce(profile)
        // Old news in a new token: the next request with it need not look again.
        if (before !== undefined && !isNews) saved.set(subject, { asOf: profile.asOf.getTime(), values: before.values })
      }
      assertThere(subject, issuedAt(principal))
      return (await store.findUser({ issuer, subject })) ?? saveOnce(profileOf(principal))
    },
    async removeUser({ issuer, subject }, issuedUntil) {
      removed.set(subject, issuedUntil)
      saved.delete(subject)
      // A save under way would bring the row back; its own caller hears if it fails.
      await saving.get(subject)?.then(
        () => undefined,
        () => undefined,
      )
      await store.removeUser({ issuer, subject })
    },
  }
}

/** Milliseconds since 1970. */
function issuedAt({ claims }: Principal<null>): number {
  return (claims.iat ?? 0) * 1000
}

function profileOf(principal: Principal<null>): UserProfile {
  const { claims } = principal
  return {
    issuer: principal.issuer,
    subject: principal.subject,
    username: principal.username,
    email: principal.email,
    emailVerified: principal.emailVerified,
    firstName: typeof claims.given_name === "string" ? claims.given_name : null,
    lastName: typeof claims.family_name === "string" ? claims.family_name : null,
    asOf: new Date(issuedAt(principal)),
  }
}

/**
 * Whether a token speaks about the profile at all: one that was issued without the scopes `profile` and `email` carries
 * no names, and must not blank those of the row.
 */
function tellsProfile({ scopes, username, email, claims }: Principal<null>): boolean {
  const told = (scope: string, values: unknown[]) =>
    scopes.includes(scope) || values.every(value => typeof value === "string")
  return told("profile", [username, claims.given_name, claims.family_name]) && told("email", [email])
}

function valuesOf({ username, email, emailVerified, firstName, lastName }: UserProfile): string {
  return JSON.stringify([username, email, emailVerified, firstName, lastName])
}
