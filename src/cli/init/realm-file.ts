import { writeFile } from "node:fs/promises"
import type { Administrator } from "./administrator.js"
import { InitError } from "./init-error.js"
import type { Wanted } from "./look.js"

/** What Keycloak's exports have where a secret was. An import would take it for the secret. */
const masked = "**********"

/**
 * Writes the realm as it is now, for another server to import: no people, no secrets, no keys. Both are made anew there.
 *
 * @throws {InitError} `export-failed` where the file can't be written
 */
export async function exportRealm(admin: Administrator, { realm, clientId }: Wanted, file: string): Promise<void> {
  const path = `/${encodeURIComponent(realm)}/partial-export?exportClients=true&exportGroupsAndRoles=true`
  const exported = (await admin.read("the realm's export", path, "POST")) as Readonly<Record<string, unknown>>
  // What a service account may do is written with its user, which this export leaves out.
  const serviceAccount = {
    username: `service-account-${clientId}`.toLowerCase(),
    enabled: true,
    serviceAccountClientId: clientId,
    clientRoles: { "realm-management": ["manage-users"] },
  }
  const text = JSON.stringify({ ...exported, users: [serviceAccount] }, withoutSecrets, 2)
  try {
    await writeFile(file, `${text}\n`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new InitError(
      "export-failed",
      `Can't write the file of --export (${code}).`,
      "Name a file that can be written.",
    )
  }
}

function withoutSecrets(_: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.filter(one => one !== masked)
  return value === masked ? undefined : value
}
