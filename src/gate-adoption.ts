import type { AdoptionParts } from "./adoption/adoption-parts.js"
import { GateError } from "./errors.js"
import { gateInternals } from "./gate-internals.js"

/** What a gate brings to `importUsers` and `linkUsers`, whose store has these functions beside the three of each. */
export function adoptionParts<User>(
  gate: unknown,
  caller: string,
  functions: readonly ("linkUser" | "findUnlinked")[],
): AdoptionParts<User> {
  const internals = gateInternals<User>(gate)
  if (internals === null) throw new GateError("config_invalid", `${caller} needs a gate that createGate made.`)
  const adoption = internals.adoption()
  const has = { linkUser: adoption?.store.canLink === true, findUnlinked: adoption?.store.canFindUnlinked === true }
  const missing = functions.filter(name => !has[name])
  if (adoption !== null && missing.length === 0) return adoption
  const needed = functions.map(name => `\`${name}\``).join(" and ")
  throw new GateError(
    "config_invalid",
    `${caller} needs a gate with a \`userStore\` that has ${needed}, to tie rows to accounts.`,
  )
}
