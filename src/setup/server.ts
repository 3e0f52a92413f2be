import { printable } from "../foreign-text.js"
import { clientFault, type Fault } from "../keycloak/client-faults.js"
import { isLoopback } from "../keycloak/loopback.js"
import type { KeycloakErrorKind } from "../keycloak/words.js"
import type { Reply } from "./ask.js"
import { type Finding, sentence } from "./finding.js"
import { isKeycloaks, isRevokedAhead, type Seen } from "./seen.js"

const waits = "The gate is lazy: as soon as Keycloak answers, everything works, without a restart."
const internal = "`internalUrl` (KEYCLOAK_INTERNAL_URL)"
const inDocker = `Inside Docker \`localhost\` is this container: set ${internal}, such as http://keycloak:8080.`
/** The setting with the address that was asked. */
const setting = (seen: Seen) => (isInternal(seen) ? internal : "`serverUrl` (KEYCLOAK_URL)")
const isInternal = ({ expected }: Seen) => expected.baseUrl !== expected.serverUrl

/** The answers of the realm's own endpoints, without the keys, which have a finding of their own. */
function answers({ discovery, grant, emptyLogin }: Seen): readonly Reply[] {
  return [discovery, grant, emptyLogin].filter(one => one !== undefined)
}

function first(seen: Seen, test: (reply: Reply) => boolean): Reply | undefined {
  return answers(seen).find(test)
}

const anyOf = (test: (reply: Reply) => boolean) => (seen: Seen) => first(seen, test) !== undefined
const failedWith = (pattern: RegExp) => anyOf(({ status, code }) => status === 0 && pattern.test(code))
const codeIn = (seen: Seen) => first(seen, ({ status }) => status === 0)?.code ?? ""
const at = ({ expected }: Seen) => expected.baseUrl
const originOf = (seen: Seen) => new URL(at(seen)).origin

/** No answer, or none of Keycloak's. */
const address: readonly Finding[] = [
  {
    id: "server-unknown-host",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^(ENOTFOUND|EAI_AGAIN)$/),
    what: seen => `Can't reach Keycloak at ${originOf(seen)}: no such host (${codeIn(seen)}).`,
    why: waits,
    mend: seen => `Correct the host in ${setting(seen)}. ${inDocker}`,
  },
  {
    id: "server-refused",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EACCES|BAD_PORT)$/),
    what: seen => `Can't reach Keycloak at ${originOf(seen)}: connection refused (${codeIn(seen)}).`,
    why: waits,
    mend: seen => `Check that it runs, and the port in ${setting(seen)}. ${inDocker}`,
  },
  {
    id: "server-silent",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/TIMEDOUT|_TIMEOUT$/),
    what: seen =>
      `Can't reach Keycloak at ${originOf(seen)}: no answer within ${seen.expected.timeoutMs} ms (${codeIn(seen)}).`,
    why: waits,
    mend: `Check address and firewall. Keycloak may still be starting. ${inDocker}`,
  },
  {
    id: "http-to-tls-port",
    severity: "broken",
    rights: "none",
    look: ({ overTls }) => overTls !== undefined && (overTls.status > 0 || isOfCertificate(overTls.code)),
    what: seen => `${originOf(seen)} cuts plain http, and speaks TLS.`,
    why: "The port is one for https.",
    mend: seen => `Write https:// in ${setting(seen)}.`,
  },
  {
    id: "server-closes",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET)$/),
    what: seen => `Can't reach Keycloak at ${originOf(seen)}: the connection was cut (${codeIn(seen)}).`,
    why: "Something accepts connections there, and answers neither http nor https.",
    mend: seen => `Check the port in ${setting(seen)}, and the log of the proxy before Keycloak. ${inDocker}`,
  },
  {
    id: "tls-to-http-port",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/),
    what: seen => `Can't reach Keycloak at ${originOf(seen)}: not TLS: \`https\` to an http port (${codeIn(seen)}).`,
    why: "The port is one for plain http.",
    mend: seen => `Write http:// in ${setting(seen)}, or the port for https.`,
  },
  {
    id: "tls-expired",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/),
    what: seen => `Node refuses the certificate of ${originOf(seen)}: it is out of date (${codeIn(seen)}).`,
    why: "A certificate is good from its first to its last day.",
    mend: "Renew the certificate. If its dates are fine, this machine's clock is wrong.",
  },
  {
    id: "tls-wrong-host",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/),
    what: seen => `Node refuses the certificate of ${originOf(seen)}: it is for another host name (${codeIn(seen)}).`,
    why: "A certificate is good for the names in it.",
    mend: seen => `Write a name of the certificate in ${setting(seen)}, or put this name into the certificate.`,
  },
  {
    id: "tls-untrusted",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(untrusted()),
    what: seen => `Node does not trust the certificate of ${originOf(seen)} (${codeIn(seen)}).`,
    why: "It is self-signed, or of an authority that Node does not know. Behind that, its name may be wrong as well.",
    mend: "Start Node with NODE_EXTRA_CA_CERTS=ca.pem, a file with the authority and what lies between.",
  },
  {
    id: "tls-failed",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: failedWith(/^(ERR_SSL_|ERR_TLS_|EPROTO|CERT_|CRL_|INVALID_|UNABLE_TO_)/),
    what: seen => `No TLS connection to ${originOf(seen)} (${codeIn(seen)}).`,
    why: "Both sides speak TLS, and do not come to terms.",
    mend: "Look the code up in the documentation of Node's TLS module. It names what OpenSSL refused.",
  },
  {
    id: "server-failing",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: anyOf(isFailing),
    what: seen => `Can't reach Keycloak at ${originOf(seen)}: it answered ${first(seen, isFailing)?.status}.`,
    why: waits,
    mend: "Read the log of Keycloak, and of the proxy before it.",
  },
  {
    id: "server-redirects",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: anyOf(isRedirect),
    what: seen =>
      `Can't reach Keycloak at ${originOf(seen)}: it answered with a redirect (${first(seen, isRedirect)?.status}).`,
    why: "Redirects are not followed: a password must not go where somebody else points to.",
    mend: seen => `Set ${setting(seen)} to Keycloak's own address${targetOf(first(seen, isRedirect))}.`,
  },
  {
    id: "server-path",
    severity: "broken",
    rights: "none",
    look: ({ discovery }) =>
      discovery !== undefined && [400, 404].includes(discovery.status) && discovery.kind !== "foreign",
    what: seen => `No Keycloak API under ${at(seen)}.`,
    why: "Since version 17 there is no `/auth` in the path unless the server sets it.",
    mend: seen => `Set ${setting(seen)} to the part before \`/realms/\`.`,
  },
  {
    id: "server-not-keycloak",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: seen => anyOf(isForeign)(seen) || failedWith(/./)(seen),
    what: seen =>
      `Can't reach Keycloak at ${originOf(seen)}: what answers is not Keycloak (${first(seen, isForeign)?.status || codeIn(seen)}).`,
    why: "Its answer has not the form of Keycloak's. Keycloak's management port has no realms either.",
    mend: "Check the address. A proxy has to pass `/realms/*`.",
  },
]

/** Each of these hides all others: the first that is there is told alone. */
export const server: readonly Finding[] = [
  {
    id: "internal-url-unreachable",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: seen => isInternal(seen) && behindInternal(seen) !== undefined,
    what: seen => sentence(behindInternal(seen)?.what ?? "", seen),
    why: `This is ${internal}, where this process asks. Nobody asks at the public address, which tokens name.`,
    mend: seen => sentence(behindInternal(seen)?.mend ?? "", seen),
  },
  ...address.slice(0, -2),
  refusalOf("tls-required", "https_wanted"),
  refusalOf("realm-unknown", "realm_absent"),
  ...address.slice(-2),
  refusalOf("realm-disabled", "realm_disabled"),
  {
    id: "issuer-mismatch",
    severity: "broken",
    rights: "none",
    look: ({ discovery, expected }) => issuerIn(discovery) !== null && issuerIn(discovery) !== expected.issuer,
    what: ({ discovery, expected }) =>
      `Every token would be refused: Keycloak's issuer is "${printable(issuerIn(discovery) ?? "", 200)}", expected "${expected.issuer}".`,
    why: "Keycloak names its public address in every token. Without a fixed hostname, that is whatever host the caller used.",
    mend: seen =>
      `${publicAddress(seen)} Or start Keycloak with --hostname. A realm may have an address of its own: its Frontend URL.`,
  },
]

/** Beside others: a server without keys still answers everything else. */
export const keys: readonly Finding[] = [
  {
    id: "keys-unreadable",
    severity: "broken",
    rights: "none",
    isOutage: true,
    look: ({ keys }) => keys !== undefined && signingKeys(keys).length === 0,
    what: ({ keys }) => `Keycloak's keys can't be read: ${keys?.status ? `it answered ${keys.status}` : keys?.code}.`,
    why: "Without them no signature can be checked, and nobody is let in.",
    mend: "A proxy has to pass `/realms/*/protocol/openid-connect/certs`. The realm needs an active key that signs.",
  },
  {
    id: "key-too-short",
    severity: "broken",
    rights: "none",
    look: ({ keys }) => signingKeys(keys).some(isShort),
    what: "The realm publishes an RSA key for signatures that is shorter than 2048 bits.",
    why: "Such a key can be broken, so every token signed with it is refused.",
    mend: "Realm settings → Keys → Add provider → rsa-generated with 2048 bits or more. Then delete the short one.",
  },
  {
    id: "admin-api-unreachable",
    severity: "broken",
    rights: "manage-users",
    concerns: ["registerUser"],
    isOutage: true,
    look: seen => unreachedAdmin(seen) !== undefined,
    what: seen => {
      const { status = 0, code } = unreachedAdmin(seen) ?? {}
      return `Keycloak gives the service account its token, but its Admin API can't be used: ${status || code}.`
    },
    why: seen =>
      unreachedAdmin(seen)?.status === 401
        ? "It does not take the token. It may be asked under another host name than the one that issued it."
        : "Something before Keycloak does not pass `/admin/*`, or answers itself.",
    mend: `A proxy has to pass \`/admin/realms/*\`. Or set ${internal} to an address behind the proxy.`,
  },
  {
    id: "plain-http",
    severity: "note",
    rights: "none",
    look: ({ expected }) => isReadable(expected.baseUrl),
    what: seen => `Passwords and secrets go to ${originOf(seen)} in plain http.`,
    why: "Whoever is on the way can read them. createGate takes the address with `allowInsecureHttp: true` only.",
    mend: "Fine inside one host or one private network. Otherwise use https.",
  },
]

function isReadable(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === "http:" && !isLoopback(hostname)
}

/** A realm that refuses everybody, in the words of all errors about it. */
function refusalOf(id: string, kind: KeycloakErrorKind): Finding {
  const reply = (seen: Seen) => first(seen, one => one.kind === kind)
  const say = (part: keyof Fault) => (seen: Seen) =>
    clientFault({ kind, error: reply(seen)?.error ?? "" }, seen.client)?.[part] ?? ""
  const look = (seen: Seen) => reply(seen) !== undefined
  return { id, severity: "broken", rights: "none", look, what: say("what"), why: say("why"), mend: say("mend") }
}

function untrusted(): RegExp {
  const codes = ["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]
  return new RegExp(`^(${codes.join("|")}|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_UNTRUSTED|INVALID_CA)$`)
}

function isOfCertificate(code: string): boolean {
  return /^(CERT_|ERR_TLS_CERT|HOSTNAME_MISMATCH)/.test(code) || untrusted().test(code)
}

function isFailing({ status }: Reply): boolean {
  return status >= 500 || status === 429
}

function isRedirect({ status }: Reply): boolean {
  return status >= 300 && status < 400
}

function targetOf(reply: Reply | undefined): string {
  const target = reply?.location
  return target && URL.canParse(target, reply.url) ? `, perhaps ${new URL(target, reply.url).origin}` : ""
}

function isForeign(reply: Reply): boolean {
  if (reply.status === 0 || isFailing(reply) || isRedirect(reply)) return false
  const isDiscovery = reply.url.endsWith("/openid-configuration")
  return isDiscovery ? reply.status !== 200 || issuerIn(reply) === null : !isKeycloaks(reply)
}

function issuerIn(discovery: Reply | undefined): string | null {
  const issuer = (discovery?.json as { issuer?: unknown } | null | undefined)?.issuer
  return typeof issuer === "string" && URL.canParse(issuer) ? issuer : null
}

function publicAddress({ discovery, expected }: Seen): string {
  const [, server] = /^(.+)\/realms\/[^/]+$/.exec(issuerIn(discovery) ?? "") ?? []
  return server === undefined
    ? "Ask for the realm at the address that its tokens name."
    : `Set \`serverUrl\` to ${printable(server, 200)}, and \`internalUrl\` to ${expected.baseUrl} if this process needs that one.`
}

function behindInternal(seen: Seen): Finding | undefined {
  return address.find(({ look }) => look(seen))
}

function signingKeys(reply: Reply | undefined): readonly Readonly<Record<string, unknown>>[] {
  const keys = (reply?.json as { keys?: unknown } | null | undefined)?.keys
  return reply?.status === 200 && Array.isArray(keys)
    ? keys.filter(key => key?.use === "sig" && key?.kty !== "oct")
    : []
}

function isShort({ kty, n }: Readonly<Record<string, unknown>>): boolean {
  return kty === "RSA" && typeof n === "string" && Buffer.from(n, "base64url").length < 256
}

/** The first answer of the Admin API that is none of Keycloak's; a missing right is one. */
function unreachedAdmin(seen: Seen): Reply | undefined {
  return [seen.emptyAccount, seen.realmSettings, seen.userProfile].find(reply => {
    if (reply === undefined) return false
    if (reply.status === 401) return !isRevokedAhead(seen)
    return reply.status === 404 || isFailing(reply) || !isKeycloaks(reply)
  })
}
