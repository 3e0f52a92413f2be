import { inQuotes } from "../../foreign-text.js"
import { isLoopback } from "../../keycloak/loopback.js"
import { notInUrls } from "../../options/server-address.js"
import { resolvedLogoutUrl } from "../../setup/logout-listener.js"
import { InitError } from "./init-error.js"
import type { FoundClient } from "./look.js"

/** One change of how a client is told of logouts. */
export interface LogoutChange {
  readonly what: string
  readonly from: string
  readonly to: string
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * Keycloak itself takes any scheme, and sends nothing to those that it does not speak.
 *
 * @throws {InitError} `logout-url-unusable`
 */
export function assertLogoutUrl(url: string): void {
  const why = problemOf(url)
  if (why === null) return
  throw new InitError(
    "logout-url-unusable",
    `--logout-url: expected ${why}.`,
    "Give the address where your backchannelLogoutHandler is mounted, such as https://api.example.com/backchannel-logout.",
  )
}

function problemOf(url: string): string | null {
  if (notInUrls.test(url)) return "a URL without blanks, line breaks and backslashes in it"
  if (url.includes("#")) return 'a URL without "#"'
  if (/^\/(?!\/)/.test(url)) return null
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url)) {
    return `an http or https URL, or a path that begins with one slash, got ${shown(url)}`
  }
  const { username, password } = new URL(url)
  return username + password === "" ? null : "a URL without user name and password in it"
}

/**
 * What is missing for Keycloak to tell of the client's logouts at `url`, with the session in each; null for a client that
 * is still to be made.
 *
 * @throws {InitError} `logout-url-relative` where nothing says what a path belongs to, `logout-url-other` where another
 * address is told
 */
export function logoutChanges(url: string, clientId: string, found: FoundClient | null): readonly LogoutChange[] {
  const { hears = null, rootUrl = "" } = found ?? {}
  const name = JSON.stringify(clientId)
  if (url.startsWith("/") && rootUrl === "") {
    throw new InitError(
      "logout-url-relative",
      `The client ${name} has no root URL, so Keycloak can't send anything to ${url}.`,
      `Give the whole address, or set Clients → ${clientId} → Settings → Root URL.`,
    )
  }
  const wanted = resolvedLogoutUrl(url, rootUrl) ?? url
  const isSame = hears?.url === wanted
  if (hears !== null && hears.url !== null && !isSame) {
    throw new InitError(
      "logout-url-other",
      `Keycloak tells of the logouts of the client ${name} at another address: ${shown(hears.url)}. A client has one.`,
      `Give that one, or clear Clients → ${clientId} → Settings → Backchannel logout URL, and run init again.`,
    )
  }
  const address: LogoutChange = {
    what: `client ${clientId}: backchannel logout URL`,
    from: "none",
    to: `${url}${isLocal(wanted) ? ", which only a Keycloak on that machine itself can reach" : ""}`,
    attributes: { "backchannel.logout.url": url },
  }
  const session: LogoutChange = {
    what: `client ${clientId}: backchannel logout session required`,
    from: "off",
    to: "on, so that a logout ends one session",
    attributes: { "backchannel.logout.session.required": "true" },
  }
  return [...(isSame ? [] : [address]), ...(hears?.nameSession ? [] : [session])]
}

function isLocal(url: string): boolean {
  return URL.canParse(url) && isLoopback(new URL(url).hostname)
}

/** Nothing of a password in it. */
function shown(url: string): string {
  return inQuotes(url.replace(/^.*@/s, "…@"), 200)
}
