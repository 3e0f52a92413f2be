import { openChannel } from "../accounts/keycloak/channel.js"
import type { AdoptionParts } from "./adoption-parts.js"
import { createAtOnce } from "./at-once.js"
import { credentialIdOf } from "./credential-id.js"
import { createBringIn } from "./import-person.js"
import type { ImportedPerson } from "./import-result.js"
import { mapStream } from "./map-stream.js"
import type { Run } from "./one-run.js"
import { openTied } from "./open-tied.js"
import type { PasswordHash } from "./password-hash.js"
import type { Person } from "./person.js"

/** A row of the application's table, as `importUsers` takes it. */
export interface ImportPerson extends Person {
  /** As the application has it. Without one, the person has to set a password. */
  readonly password?: PasswordHash | null | undefined
}

/** Any list or stream of people; a person is asked for when there is work for one. */
export type People = Iterable<ImportPerson> | AsyncIterable<ImportPerson>

/** How `importUsers` goes about it. */
export interface ImportUsersOptions<User> {
  /** Makes and changes nothing, and says what would become of each person; default false. */
  readonly dryRun?: boolean | undefined
  /**
   * For how many people Keycloak is asked at once; default 8, at most 100, of which it gets 8 requests at a time. With more than 1,
   * twice as many are under way, so that Keycloak need not wait for the store.
   */
  readonly concurrency?: number | undefined
  /** Ends the run with the signal's reason; whoever has been begun is finished first. */
  readonly signal?: AbortSignal | undefined
  /** Called after each person, and waited for. */
  readonly onProgress?: ((counts: ImportCounts) => void) | undefined
  /** Called, and waited for, with each result, before the iterator hands it out. */
  readonly onPerson?: ((person: ImportedPerson<User>) => void | Promise<void>) | undefined
}

/** How many people have come to which end. */
export interface ImportCounts {
  readonly created: number
  readonly linked: number
  readonly existing: number
  readonly refused: number
}

const maxRefusedIds = 10_000

/** Begins when the first result is asked for. */
export function importRun<User>(
  parts: AdoptionParts<User>,
  people: People,
  options: ImportUsersOptions<User>,
): Run<ImportedPerson<User>, ImportCounts> {
  const { dryRun = false, concurrency = 8, signal, onProgress, onPerson } = options
  const counts = { created: 0, linked: 0, existing: 0, refused: 0 }
  // Nobody is told twice, as long as they are this few.
  const refusedIds = new Set<string>()

  async function told(person: ImportedPerson<User>): Promise<ImportedPerson<User>> {
    counts[person.outcome] += 1
    if (person.code === "account_rejected" && person.key !== null && refusedIds.size < maxRefusedIds)
      refusedIds.add(credentialIdOf(parts.connection.realm.issuer, person.key))
    await onPerson?.(person)
    await onProgress?.(Object.freeze({ ...counts }))
    return person
  }

  async function* results(): AsyncGenerator<ImportedPerson<User>, void> {
    const bring = createBringIn(parts, { isDryRun: dryRun, atOnce: createAtOnce(concurrency) })
    const work = async (person: unknown) => told(await bring(person))
    yield* mapStream<unknown, ImportedPerson<User>>(people, {
      limit: concurrency === 1 ? 1 : 2 * concurrency,
      signal,
      work,
    })
    if (dryRun) return
    const channel = openChannel(parts.connection, "background")
    for await (const refused of openTied(channel, parts, { refusedIds, signal })) yield await told(refused)
  }

  return { results: results(), counts: () => Object.freeze({ ...counts }) }
}
