import type RoleRepresentation from "@keycloak/keycloak-admin-client/lib/defs/roleRepresentation.js"
import { accountPath, toList } from "../../keycloak/admin-api.js"
import { refused } from "../../keycloak/set-up-errors.js"
import type { Channel } from "./channel.js"

/** Gives realm roles; those that an account has already are fine. */
export async function assignRealmRoles({ api, realm }: Channel, id: string, names: readonly string[]): Promise<void> {
  const path = `${accountPath(id)}/role-mappings/realm`
  const list = async (path: string) => (await api.read(path, toList<RoleRepresentation>)) ?? []
  const available = await list(`${path}/available`)
  const roles = available.filter(({ name = "" }) => names.includes(name))
  // Those that it has already are not available any more.
  const known = roles.length === names.length ? roles : [...roles, ...(await list(path))]
  const missing = names.find(wanted => !known.some(({ name }) => name === wanted))
  if (missing !== undefined) {
    throw refused(
      `The realm "${realm.name}" has no realm role "${missing}" to give (option \`registration.realmRoles\`)`,
    )
  }
  if (roles.length === 0) return
  const mappings = roles.map(({ id, name }) => ({ id, name }))
  if ((await api.command("POST", path, mappings)) === "absent") throw api.notKeycloak()
}
