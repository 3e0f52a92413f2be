import QuickLRU from "quick-lru"
import { GateError, invalidToken } from "../errors.js"
import type { Report } from "../events.js"
import { printable } from "../foreign-text.js"
import type { Proven } from "../verify/check.js"
import type { Principal } from "../verify/principal.js"
import type { AskAlive } from "../verify/session/account-alive.js"
import type { BoundedStore } from "./bounded-store.js"
import { type CustomReader, customText, isSilent, noCustom } from "./custom-profile.js"
import { unknownSubject } from "./subject.js"
import type { UserIdentity, UserKey, UserProfile } from "./user-store.js"

/** Keeps the application's rows in step with what tokens and accounts tell, and lets none come back that was removed. */
export interface UserRows<User> {
  /** The row of a verified principal, inserted or updated first where needed. */
  readonly syncUser: (principal: Principal<null>) => Promise<User>
  /** The row at once, undefined unless the store has it there and `syncUser` would save nothing; null: it never is. */
  readonly peekUser: ((proven: Pick<Proven, "principal" | "claims">) => User | undefined) | null
  /** Saves what a registration has just created. */
  readonly saveRegistered: (profile: UserProfile, extra: unknown) => Promise<User>
  /** To be called before Keycloak is asked about accounts, for what then gets saved of its answer. */
  readonly beginReading: () => Reading
  /**
   * Saves an account as it was read.
   *
   * @throws {GateError} `invalid_request` for an unknown subject where its row was removed since the reading began
   */
  readonly saveRead: (profile: UserProfile, reading: Reading) => Promise<User>
  /** Saves one of all accounts; null where its row was removed since the reading began. */
  readonly saveListed: (profile: UserProfile, reading: Reading) => Promise<User | null>
  /**
   * Makes the row of this key the row of an account as it was read; null where the store does so, or where the account's
   * row was removed since the reading began.
   */
  readonly linkRow: (key: UserKey, profile: UserProfile, reading: Reading) => Promise<User | null>
  /** Removes the row of an account that is gone, or is going; `remove` is what else an application does to it. */
  readonly removeUser: (identity: UserIdentity, remove?: () => Promise<void>) => Promise<void>
}

/** How many rows this process had removed when it began to read. */
type Reading = number

export interface UserRowsParts<User> {
  readonly store: BoundedStore<User>
  readonly custom: CustomReader
  readonly askAlive: AskAlive
  readonly clock: KeycloakTime
  readonly report: Report
}

/** What has to be known of Keycloak's clock here. */
interface KeycloakTime {
  /** Milliseconds since 1970, never too early. */
  readonly atLatest: () => number
  /** Keycloak's clock showed this already. */
  readonly sawTime: (time: number) => void
}

// Subjects remembered per process. Forgetting one costs one upsert at its next request.
const rememberedSubjects = 50_000
// Without Keycloak's word a token has to be newer than the loss of the row. A process whose clock is further behind than this
// refuses the tokens of the day anyway, as not valid yet.
const doubtMs = 10_000

interface Saved {
  readonly asOf: number
  /** Null: a row is there, and no token has told what is in it. */
  readonly values: string | null
  /** Null: the application keeps none, or nobody has told what is in the row. */
  readonly custom: SavedCustom | null
}

interface SavedCustom {
  readonly asOf: number
  readonly text: string
  readonly value: UserProfile["custom"]
}

const nothingTold: SavedCustom = { asOf: 0, text: customText(noCustom), value: noCustom }

interface Removed {
  /** Tokens issued until then are refused: milliseconds since 1970, by Keycloak's clock. */
  readonly issuedUntil: number
  /** Which removal of this process it was; what was read before it is refused, whatever the clocks say. */
  readonly count: number
  /** Whoever is saved after it has an account again. */
  isBack: boolean
}

/**
 * The last step of `verifyBearer`: one `findUser` per request, and `saveUser` at the first sight of a subject in this
 * process, when its row is gone, or when a later token carries other values than were last saved.
 *
 * A row that was removed here never comes back: saves under way are awaited, later ones are refused, and one that settles
 * after its limit is removed again. A row that was removed elsewhere comes back only after a question to Keycloak.
 */
export function createUserRows<User>(parts: UserRowsParts<User>): UserRows<User> {
  const { store, custom, askAlive, clock, report } = parts
  const peek = store.peekUser
  const known = new QuickLRU<string, Saved>({ maxSize: rememberedSubjects })
  const removed = new QuickLRU<string, Removed>({ maxSize: rememberedSubjects })
  const sharedSaves = new Map<string, Promise<User>>()
  const savesUnderWay = new Map<string, Promise<unknown>>()
  const questions = new Map<string, { readonly token: string; readonly row: Promise<User> }>()
  let removals = 0
  // Once true it stays: where nothing was removed, which is the rule, nobody looks.
  let hasRemoved = false

  function assertThere(key: string, issuedAt: number): void {
    const removal = removed.get(key)
    if (removal !== undefined && issuedAt <= removal.issuedUntil) throw revoked()
  }

  function wasRemovedSince(key: string, count: number): boolean {
    return (removed.get(key)?.count ?? 0) > count
  }

  /** Every save goes through here; the caller has made sure, in the very same step, that the row may be there. */
  function save(key: string, profile: UserProfile, extra?: unknown): Promise<User> {
    return write(key, profile, late => store.saveUser(profile, extra, late))
  }

  /** Where its source says nothing of the custom values: with those that were told last, and their date. */
  function completed(key: string, profile: UserProfile): UserProfile {
    const last = isSilent(profile) ? known.peek(key)?.custom : null
    return last ? { ...profile, custom: last.value, customAsOf: new Date(last.asOf) } : profile
  }

  async function write<Row>(
    key: string,
    identity: UserIdentity,
    begin: (late: () => void) => Promise<Row>,
  ): Promise<Row> {
    const begunAt = removals
    const removal = removed.get(key)
    if (removal !== undefined) removal.isBack = true
    const written = begin(() => removeLate(key, identity, begunAt))
    const over = Promise.allSettled([savesUnderWay.get(key), written])
    savesUnderWay.set(key, over)
    void over.then(() => savesUnderWay.get(key) === over && savesUnderWay.delete(key))
    return written
  }

  /** A save that settles after its limit may have brought a row back that was removed meanwhile. */
  function removeLate(key: string, { issuer, subject }: UserIdentity, begunAt: number): void {
    if (!wasRemovedSince(key, begunAt) || removed.get(key)?.isBack) return
    store.removeUser({ issuer, subject }).catch((error: unknown) => {
      const message = `A row of ${printable(subject)} may be left, whose account is gone: the store saved it after its limit, and then failed to remove it. deleteAccount removes it.`
      report({ type: "refusal", error: new GateError("store_unavailable", message, { cause: error }) })
    })
  }

  async function saveAndRemember(key: string, told: UserProfile, extra?: unknown): Promise<User> {
    const profile = completed(key, told)
    const user = await save(key, profile, extra)
    remember(key, profile)
    return user
  }

  function remember(key: string, profile: UserProfile): void {
    known.set(key, { asOf: profile.asOf.getTime(), values: valuesOf(profile), custom: customIn(key, profile) })
  }

  function customIn(key: string, profile: UserProfile): SavedCustom | null {
    if (!custom.isKept) return null
    const before = known.peek(key)?.custom ?? null
    const asOf = (profile.customAsOf ?? profile.asOf).getTime()
    if (isSilent(profile) || (before !== null && before.asOf > asOf)) return before
    return { asOf, text: customText(profile.custom), value: profile.custom }
  }

  /** What a token tells beyond what was saved last; null where that is nothing. */
  function newsIn(principal: Principal<null>, before: Saved): UserProfile | null {
    const profile = profileOf(principal)
    const issuedAt = issuedAtOf(principal)
    const isSame = isSilent(profile) || !isCustomUnheard(issuedAt, before) || before.custom?.text === textOf(profile)
    if (issuedAt > before.asOf) return isSame && valuesOf(profile) === before.values ? null : profile
    // Custom values that another source's later word said nothing of.
    const { asOf } = before
    return isSame ? null : { ...profile, ...namesIn(before), asOf: new Date(asOf), customAsOf: profile.asOf }
  }

  function textOf(profile: UserProfile): string | undefined {
    return custom.isKept ? customText(profile.custom) : undefined
  }

  function profileOf(principal: Principal<null>): UserProfile {
    const { issuer, subject, claims } = principal
    const asOf = new Date(issuedAtOf(principal))
    return { issuer, subject, ...namesOf(principal), ...custom.ofClaims(claims), asOf }
  }

  /** One save at a time for one subject: whoever comes second reads the row that the first has written. */
  async function saveOnce(key: string, profile: UserProfile, issuedAt = profile.asOf.getTime()): Promise<User> {
    assertThere(key, issuedAt)
    const first = sharedSaves.get(key)
    if (first !== undefined) {
      const user = await first
      const row = await store.findUser(identityOf(profile))
      assertThere(key, issuedAt)
      return row ?? user
    }
    clock.sawTime(issuedAt)
    const promise = saveAndRemember(key, profile).finally(() => sharedSaves.delete(key))
    sharedSaves.set(key, promise)
    return promise
  }

  /** Whose row is gone although this process knows it may have lost the account elsewhere. One question at a time. */
  async function makeAnew(key: string, principal: Principal<null>): Promise<User> {
    for (let other = questions.get(key); other !== undefined; other = questions.get(key)) {
      if (other.token === principal.token) return other.row
      await Promise.allSettled([other.row]) // Keycloak's answer is about that token alone
      const row = await store.findUser(identityOf(principal))
      if (row) return row
    }
    const row = askAndSave(key, principal).finally(() => questions.delete(key))
    questions.set(key, { token: principal.token, row })
    return row
  }

  async function askAndSave(key: string, principal: Principal<null>): Promise<User> {
    const answer = await askAlive(principal)
    if (answer === "alive") return saveOnce(key, profileOf(principal))
    if (answer === "unknown") {
      // A token that Keycloak issues from now on proves that there is an account, and counts as seen for the first time.
      const count = removed.get(key)?.count ?? 0
      hasRemoved = true
      removed.set(key, { issuedUntil: clock.atLatest() + doubtMs, count, isBack: true })
      known.delete(key)
    }
    throw revoked()
  }

  /** Whether a token was issued after what was told last. */
  function isUnheard(issuedAt: number, before: Saved | undefined): boolean {
    if (before === undefined || issuedAt > before.asOf) return true
    return isCustomUnheard(issuedAt, before)
  }

  function isCustomUnheard(issuedAt: number, before: Saved): boolean {
    return custom.isInClaims && issuedAt > (before.custom?.asOf ?? 0)
  }

  /** The same values in a token of this moment. */
  function heardAgain({ asOf, values, custom: last }: Saved, issuedAt: number): Saved {
    const isTold = last !== null && custom.isInClaims
    return {
      asOf: Math.max(asOf, issuedAt),
      values,
      custom: isTold ? { ...last, asOf: Math.max(last.asOf, issuedAt) } : last,
    }
  }

  return {
    async saveRegistered(profile, extra) {
      const key = keyOf(profile)
      // Its account is a new one, so whichever removal there was came after it.
      if (wasRemovedSince(key, 0)) throw deletedMeanwhile()
      const user = await saveAndRemember(key, profile, extra)
      const saved = known.peek(key)
      // A new row: what nobody has told yet is known to be nothing.
      if (saved?.custom === null && isSilent(profile)) known.set(key, { ...saved, custom: nothingTold })
      return user
    },
    beginReading: () => removals,
    async saveRead(profile, reading) {
      const key = keyOf(profile)
      if (wasRemovedSince(key, reading)) throw unknownSubject()
      return saveAndRemember(key, profile)
    },
    async saveListed(told, reading) {
      const key = keyOf(told)
      if (wasRemovedSince(key, reading)) return null
      const profile = completed(key, told)
      const user = await save(key, profile)
      // Only who is remembered already: a whole realm would push out the people who are active.
      const before = known.peek(key)
      if (before !== undefined && before.asOf <= profile.asOf.getTime()) remember(key, profile)
      return user
    },
    async linkRow(rowKey, told, reading) {
      const key = keyOf(told)
      if (wasRemovedSince(key, reading)) return null
      const profile = completed(key, told)
      const user = await write(key, profile, late => store.linkUser(rowKey, profile, late))
      if (user !== null) remember(key, profile)
      return user
    },
    async syncUser(principal) {
      const key = keyOf(principal)
      const issuedAt = issuedAtOf(principal)
      const before = known.get(key)
      const mayTellMore = isUnheard(issuedAt, before) && tellsProfile(principal)
      if (before === undefined && mayTellMore) return saveOnce(key, profileOf(principal))
      assertThere(key, issuedAt)
      const row = await store.findUser(identityOf(principal))
      if (!row) {
        return before === undefined ? saveOnce(key, profileOf(principal)) : makeAnew(key, principal)
      }
      if (before === undefined) known.set(key, { asOf: Number.NEGATIVE_INFINITY, values: null, custom: null })
      if (before === undefined || !mayTellMore) return row
      // Somebody else may have told more meanwhile.
      const now = known.peek(key) ?? before
      const news = newsIn(principal, now)
      if (news !== null) return saveOnce(key, news, issuedAt)
      // Old news in a new token: the next request with it need not look again.
      known.set(key, heardAgain(now, issuedAt))
      return row
    },
    peekUser:
      peek &&
      (({ principal, claims }) => {
        const key = keyOf(principal)
        const before = known.get(key)
        if (before === undefined) return undefined
        const issuedAt = (claims.iat ?? 0) * 1000
        if (isUnheard(issuedAt, before) && tellsProfile(principal)) return undefined
        // The next step refuses it, with a word.
        if (hasRemoved && issuedAt <= (removed.get(key)?.issuedUntil ?? -1)) return undefined
        return peek(identityOf(principal))
      }),
    async removeUser(identity, remove = () => store.removeUser(identity)) {
      const key = keyOf(identity)
      hasRemoved = true
      removed.set(key, { issuedUntil: clock.atLatest(), count: ++removals, isBack: false })
      known.delete(key)
      await savesUnderWay.get(key)
      await remove()
    },
  }
}

// A URL holds no line break.
function keyOf({ issuer, subject }: UserIdentity): string {
  return `${issuer}\n${subject}`
}

function identityOf({ issuer, subject }: UserIdentity): UserIdentity {
  return { issuer, subject }
}

/** Milliseconds since 1970. */
function issuedAtOf({ claims }: Principal<null>): number {
  return (claims.iat ?? 0) * 1000
}

type Names = Pick<UserProfile, "username" | "email" | "emailVerified" | "firstName" | "lastName">

function namesOf({ username, email, emailVerified, claims }: Principal<null>): Names {
  return {
    username,
    email,
    emailVerified,
    firstName: typeof claims.given_name === "string" ? claims.given_name : null,
    lastName: typeof claims.family_name === "string" ? claims.family_name : null,
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

/** What `valuesOf` has put together; nothing where no token has told it. */
function namesIn({ values }: Saved): Names | null {
  if (values === null) return null
  const [username, email, emailVerified, firstName, lastName] = JSON.parse(values)
  return { username, email, emailVerified, firstName, lastName }
}

function revoked(): GateError {
  return invalidToken("revoked", "Refused a token of an account that was deleted, as far as can be told.")
}

function deletedMeanwhile(): GateError {
  return new GateError("keycloak_unavailable", "Somebody deleted the account while it was being registered; try again.")
}
