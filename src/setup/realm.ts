import type { Finding } from "./finding.js"
import { isRefusedAsWrong } from "./probe.js"
import type { Seen } from "./seen.js"

const settings = ({ realmSettings, administrator }: Seen) =>
  (administrator?.realm ?? (realmSettings?.status === 200 ? realmSettings.json : null) ?? {}) as Readonly<
    Record<string, unknown>
  >
/** What only an administrator, or a service account with `view-realm`, is told. */
const isWhole = (seen: Seen) => settings(seen).verifyEmail !== undefined

export const realm: readonly Finding[] = [
  {
    id: "direct-grant-flow",
    severity: "broken",
    rights: "probe",
    concerns: ["loginWithPassword"],
    look: ({ probe }) => probe !== undefined && (isRefusedAsWrong(probe.login) || probe.wrongPassword?.status === 200),
    what: ({ probe }) =>
      probe?.wrongPassword?.status === 200
        ? "Keycloak takes a wrong password for a right one."
        : `Keycloak refuses a login with the right password (${probe?.login.status}).`,
    why: "The realm's direct grant flow does not check username and password alone. It may ask everybody for a one-time code.",
    mend: "Authentication → Flows → direct grant → Action → Bind flow → Direct grant flow.",
  },
  {
    id: "brute-force-off",
    severity: "warning",
    rights: "manage-users",
    look: seen => settings(seen).bruteForceProtected === false,
    what: "Brute force protection is off.",
    why: "Whoever guesses passwords may try as many as they like.",
    mend: "Realm settings → Security defenses → Brute force detection.",
  },
  {
    id: "permanent-lockout",
    severity: "warning",
    rights: "administrator",
    look: seen => settings(seen).bruteForceProtected === true && settings(seen).permanentLockout === true,
    what: seen =>
      `After ${settings(seen).failureFactor} wrong passwords an account is locked until an administrator unlocks it.`,
    why: "Anybody can lock anybody out, by name.",
    mend: "Realm settings → Security defenses → Brute force detection → Lockout temporarily.",
  },
  {
    id: "password-policy-none",
    severity: "warning",
    rights: "administrator",
    look: seen => isWhole(seen) && !settings(seen).passwordPolicy,
    what: "The realm has no password policy.",
    why: "A password of one letter is taken.",
    mend: "Authentication → Policies → Password policy → Add policy → Minimum length.",
  },
  {
    id: "duplicate-emails",
    severity: "warning",
    rights: "administrator",
    look: seen => settings(seen).duplicateEmailsAllowed === true,
    what: "Several accounts may have one e-mail.",
    why: "A password reset by e-mail then meets any of them, and nobody can log in by e-mail.",
    mend: "Switch off Realm settings → Login → Duplicate emails.",
  },
  {
    id: "mail-server-missing",
    severity: "broken",
    rights: "administrator",
    concerns: ["registerUser"],
    look: seen => lacksMailServer(seen) && sendsMail(seen),
    what: "The realm has no mail server, and registering is to send a mail (`onboarding`).",
    why: "Without the mail nobody can verify an address, and the account stays unfinished.",
    mend: "Realm settings → Email → Connection & Authentication.",
  },
  {
    id: "smtp-missing",
    severity: "note",
    rights: "administrator",
    look: seen => lacksMailServer(seen) && !sendsMail(seen),
    what: "The realm has no mail server.",
    why: "Keycloak can't send mails to verify an address or to reset a password.",
    mend: "Realm settings → Email → Connection & Authentication.",
  },
  {
    id: "email-as-username",
    severity: "note",
    rights: "manage-users",
    look: seen => settings(seen).registrationEmailAsUsername === true,
    what: "The realm takes the e-mail for the username.",
    why: "A registration with another username is refused.",
    mend: "Leave `username` out when registering, or switch off Realm settings → Login → Email as username.",
  },
  {
    id: "events-off",
    severity: "note",
    rights: "administrator",
    look: seen => settings(seen).eventsEnabled === false,
    what: "Keycloak keeps no user events.",
    why: "Nobody can look up later who logged in, and what was refused.",
    mend: "Switch on Realm settings → Events → User events settings → Save events.",
  },
  {
    id: "refresh-rotation",
    severity: "note",
    rights: "administrator",
    look: seen => settings(seen).revokeRefreshToken === true,
    what: "A refresh token is good for one use.",
    why: "An application with several processes has to see to it that only one of them refreshes a session.",
    mend: "Fine if it is meant. Otherwise switch off Realm settings → Sessions → Revoke refresh token.",
  },
]

function lacksMailServer(seen: Seen): boolean {
  const server = settings(seen).smtpServer as { host?: unknown } | undefined
  return isWhole(seen) && !server?.host
}

function sendsMail({ expected }: Seen): boolean {
  return expected.registration.onboarding === "verify-email"
}
