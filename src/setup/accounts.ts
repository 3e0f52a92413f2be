import { printable } from "../foreign-text.js"
import { quotedName } from "../keycloak/quoted.js"
import type { Finding, Use } from "./finding.js"
import type { Seen } from "./seen.js"

const registering: readonly Use[] = ["registerUser"]
const named = (names: readonly string[]) => names.map(name => `"${printable(name)}"`).join(", ")
const ownFields = ["username", "email", "firstName", "lastName"]

export const accounts: readonly Finding[] = [
  {
    id: "profile-requires-more",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => requiredBeside(seen).length > 0,
    what: seen => `The realm's user profile requires ${named(requiredBeside(seen))}.`,
    why: "An account without it can't log in, so a registration without it is refused.",
    mend: seen =>
      `If each registration sends it, tell \`ready\` and \`diagnose\`: \`attributes: ["${printable(requiredBeside(seen)[0] ?? "")}"]\`. ` +
      "If all accounts have the same, give it in `registration.attributes`. Or switch off Realm settings → User profile → " +
      `${printable(requiredBeside(seen)[0] ?? "")} → Required field.`,
  },
  {
    id: "attribute-unknown",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => dropped(seen).length > 0,
    what: seen => `Keycloak would drop the attribute ${named(dropped(seen))}, which each registration gives.`,
    why: "The realm's user profile does not know it, and unmanaged attributes are off.",
    mend: "Realm settings → User profile → Create attribute. Or allow unmanaged attributes on the page General.",
  },
  {
    id: "group-missing",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => missingGroups(seen).length > 0,
    what: seen => `The realm has no group ${named(missingGroups(seen))} to give (option \`registration.groups\`).`,
    why: "Each registration names it, and Keycloak refuses all of them.",
    mend: "Groups → Create group. A path begins with a slash, such as /editors.",
  },
  {
    id: "realm-role-missing",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => missingRoles(seen).length > 0,
    what: seen =>
      `The realm has no realm role ${named(missingRoles(seen))} to give (option \`registration.realmRoles\`).`,
    why: "Each registration is to give it, and none can be finished.",
    mend: "Realm roles → Create role. Client roles come through groups.",
  },
  {
    id: "profile-lacks-names",
    severity: "warning",
    rights: "manage-users",
    concerns: registering,
    look: seen => lacking(seen).length > 0,
    what: seen => `The realm's user profile has no ${named(lacking(seen))}.`,
    why: "Keycloak drops what its profile does not know, so the account has none.",
    mend: seen => `Realm settings → User profile → Create attribute → ${lacking(seen)[0]}.`,
  },
  {
    id: "verify-email",
    severity: "warning",
    rights: "probe",
    concerns: registering,
    look: seen => verifiesEmail(seen) && !isSeenTo(seen),
    what: "The realm asks everybody to verify their e-mail.",
    why: "Whoever registers can't log in before that, and no mail is sent by itself.",
    mend: 'Give `registration: { onboarding: "verify-email" }`, and the realm a mail server. Or switch off Realm settings → Login → Verify email.',
  },
  {
    id: "required-action-default",
    severity: "warning",
    rights: "probe",
    concerns: registering,
    look: seen => defaultActions(seen).length > 0,
    what: seen => `The realm asks every new account for a step: ${defaultActions(seen).map(quotedName).join(", ")}.`,
    why: "Whoever registers can't log in with a password before the step is taken on Keycloak's own pages.",
    mend: "Authentication → Required actions: switch off Set as default action.",
  },
  {
    id: "probe-left",
    severity: "warning",
    rights: "probe",
    look: ({ probe }) => probe?.left !== undefined,
    what: ({ probe }) => `The throw-away account "${probe?.left}" may still be there.`,
    why: "Keycloak did not confirm that it was removed.",
    mend: "Remove it under Users. Nobody knows its password.",
  },
  {
    id: "probe-refused",
    severity: "note",
    rights: "probe",
    look: ({ probe }) => probe?.refused !== undefined,
    what: "The probe could not show everything.",
    why: ({ probe }) => `${probe?.refused}.`,
    mend: "Mend what is broken first. Otherwise register somebody by hand, and look at their token.",
  },
  {
    id: "administrator-refused",
    severity: "note",
    rights: "administrator",
    look: ({ administrator }) => administrator?.refused !== undefined,
    what: "The administrator's login did not work, so what only an administrator sees is not looked at.",
    why: ({ administrator }) => `${administrator?.refused}.`,
    mend: "Check KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD and KEYCLOAK_ADMIN_REALM (default master).",
  },
]

interface Attribute {
  readonly name: string
  readonly isRequired: boolean
}

function profile({ userProfile }: Seen): { attributes: readonly Attribute[]; keepsOthers: boolean } | null {
  const { attributes, unmanagedAttributePolicy } = (userProfile?.status === 200 ? (userProfile.json ?? {}) : {}) as {
    attributes?: unknown
    unmanagedAttributePolicy?: unknown
  }
  if (!Array.isArray(attributes)) return null
  return {
    attributes: attributes.map(one => ({ name: String(one?.name), isRequired: isRequired(one?.required) })),
    keepsOthers: ["ENABLED", "ADMIN_EDIT"].includes(String(unmanagedAttributePolicy)),
  }
}

/** Of a person, or of the administrator that this library is when it registers; not for a scope alone. */
function isRequired(required: unknown): boolean {
  if (typeof required !== "object" || required === null) return false
  const { scopes } = required as { scopes?: unknown }
  return !Array.isArray(scopes) || scopes.length === 0
}

function requiredBeside(seen: Seen): readonly string[] {
  return requiredAttributes(seen).filter(name => !seen.expected.sentAttributes.includes(name))
}

/** Attributes that each account needs, and that the application does not give to all by itself. */
export function requiredAttributes(seen: Seen): readonly string[] {
  const given = [...ownFields, ...Object.keys(seen.expected.registration.attributes)]
  const required = profile(seen)?.attributes.filter(({ isRequired }) => isRequired) ?? []
  return required.map(({ name }) => name).filter(name => !given.includes(name))
}

function dropped(seen: Seen): readonly string[] {
  const known = profile(seen)
  if (known === null || known.keepsOthers) return []
  const names = known.attributes.map(({ name }) => name)
  // Keycloak adds this one by itself where a realm has several languages.
  const sent = [...Object.keys(seen.expected.registration.attributes), ...seen.expected.sentAttributes]
  return sent.filter(name => name !== "locale" && !names.includes(name))
}

function lacking(seen: Seen): readonly string[] {
  const names = profile(seen)?.attributes.map(({ name }) => name)
  return names === undefined ? [] : ownFields.filter(name => !names.includes(name))
}

function missingGroups({ groups = {} }: Seen): readonly string[] {
  return Object.keys(groups).filter(path => groups[path]?.kind === "group_absent")
}

function missingRoles({ realmRoles, expected }: Seen): readonly string[] {
  return realmRoles === undefined ? [] : expected.registration.realmRoles.filter(name => !realmRoles.includes(name))
}

function verifiesEmail({ administrator, realmSettings, probe }: Seen): boolean {
  const told = realmSettings?.json as { verifyEmail?: unknown } | null | undefined
  if (administrator?.realm?.verifyEmail === true || told?.verifyEmail === true) return true
  return probe?.unverifiedLogin?.kind === "account_unfinished"
}

function isSeenTo({ expected: { registration } }: Seen): boolean {
  return registration.emailVerified || registration.onboarding === "verify-email"
}

function defaultActions({ administrator, probe }: Seen): readonly string[] {
  return administrator?.defaultActions ?? probe?.requiredActions ?? []
}
