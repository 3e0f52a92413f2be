import { type GateError, isGateError } from "../../errors.js"
import { isAccountId } from "../../keycloak/admin-api.js"
import { wasNotDone } from "../../keycloak/network-error.js"
import { refused } from "../../keycloak/set-up-errors.js"
import type { Channel } from "./channel.js"

export interface NewAccount {
  readonly username: string
  readonly email: string | null
  readonly firstName: string | null
  readonly lastName: string | null
  readonly password: string
  readonly emailVerified: boolean
  readonly groups: readonly string[]
  readonly requiredActions: readonly string[]
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** Milliseconds since 1970; Keycloak keeps it as sent, which makes it the mark of one attempt. */
  readonly createdTimestamp: number
}

/** Lost: the request may have done its work, but its answer never came. */
export type CreateOutcome = { readonly id: string } | { readonly lost: GateError }

/** Creates account and password in one call, which Keycloak does wholly or not at all. */
export async function createAccount(channel: Channel, account: NewAccount): Promise<CreateOutcome> {
  const { password, groups, requiredActions, attributes, email, firstName, lastName, ...rest } = account
  const outcome = await postAccount(channel, {
    ...rest,
    ...(email !== null && { email }),
    ...(firstName !== null && { firstName }),
    ...(lastName !== null && { lastName }),
    enabled: true,
    credentials: [{ type: "password", value: password, temporary: false }],
    ...(groups.length > 0 && { groups: [...groups] }),
    ...(requiredActions.length > 0 && { requiredActions: [...requiredActions] }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
  })
  if ("lost" in outcome && (outcome.lost.cause as { status?: unknown } | undefined)?.status === 500)
    await assertGroupsExist(channel, groups)
  return outcome
}

/** Creates an account of any form, wholly or not at all. */
export async function postAccount(
  { api, realm, transport }: Channel,
  account: Readonly<Record<string, unknown>>,
): Promise<CreateOutcome> {
  // Its failure must not pass for one of the create.
  await api.serviceToken.get()
  transport.assertOpen(api.share)
  try {
    const location = await api.create("/users", account)
    // Keycloak names its public address in a Location, which may differ from where this process asks.
    const publicUrl = realm.issuer.replace(/\/realms\/[^/]*$/, "/admin$&")
    const id = createdId(location, [`${api.url}/users`, `${publicUrl}/users`])
    if (id === null) throw api.notKeycloak()
    return { id }
  } catch (error) {
    // Whatever is no clear answer counts as lost, since it may have done its work.
    const mayExist = isGateError(error) && (error.code === "keycloak_unavailable" || error.code === "closed")
    if (!mayExist || wasNotDone(error)) throw error
    return { lost: error }
  }
}

/** A group that does not exist makes Keycloak answer a create with 500 and nothing more (26.7.4). */
async function assertGroupsExist(channel: Channel, paths: readonly string[]): Promise<void> {
  const { realm } = channel
  // An outage tells nothing about groups.
  const isThere = (path: string) => groupExists(channel, path).catch(() => true)
  const areThere = await Promise.all(paths.map(isThere))
  const missing = paths.find((_, index) => areThere[index] === false)
  if (missing !== undefined)
    throw refused(`The realm "${realm.name}" has no group "${missing}" to give (option \`registration.groups\`)`)
}

export async function groupExists({ api }: Channel, path: string): Promise<boolean> {
  return (await api.read(`/group-by-path/${encodeURIComponent(path)}`, () => true)) !== null
}

/** The id in the address of what was created: one segment under these addresses, without query and without steps in the path. */
function createdId(address: string, ownUsers: readonly string[]): string | null {
  const location = /^(https?:\/\/[^/?#\\]+)?(\/[^?#\\]*)$/.exec(address)
  const segments = segmentsOf(location?.[2] ?? "")
  const id = segments.pop() ?? ""
  if (!isAccountId(id) || /[/\\]/.test(id)) return null
  const isOwn = ownUsers.some(users => {
    const { origin, pathname } = new URL(users)
    const isHere = location?.[1] === undefined || originOf(location[1]) === origin
    return isHere && JSON.stringify(segmentsOf(pathname)) === JSON.stringify(segments)
  })
  return isOwn ? id : null
}

function originOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null
}

function segmentsOf(path: string): string[] {
  try {
    return path.split("/").map(decodeURIComponent)
  } catch {
    return [] // no path of Keycloak's
  }
}
