import { inQuotes } from "../foreign-text.js"
import { kindOf } from "../option-reader.js"

/** A value that can be used, or what to say about one that can't, in words that follow the value's name. */
export type Checked = { readonly value: string } | { readonly problem: string }

// None of these is in an address as Keycloak shows it. `URL` drops or rewrites most of them without a word: the address
// that is asked, and the issuer that tokens are compared with, would be others than the one that was written.
export const notInUrls: RegExp = /[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\\]/u

/** Keycloak's base URL, spelled as `URL` spells it: without default port, in small letters, without slashes at its end. */
export function checkServerUrl(found: unknown): Checked {
  if (typeof found !== "string" || !URL.canParse(found)) {
    return { problem: `expected Keycloak's base URL such as "https://sso.example.com", got ${shownUrl(found)}` }
  }
  if (!/^https?:/i.test(found)) return { problem: `expected an http or https URL, got ${shownUrl(found)}` }
  if (notInUrls.test(found)) {
    return { problem: `expected a URL without blanks, line breaks and backslashes in it, got ${shownUrl(found)}` }
  }
  const [, authority, path = ""] = /^https?:\/\/([^/?#]+)(.*)$/i.exec(found) ?? []
  if (authority === undefined) return { problem: `expected two slashes and a host, got ${shownUrl(found)}` }
  if (authority.includes("@")) return { problem: "expected a URL without user name and password in it" }
  if (/[?#]|\/realms(\/|$)/.test(path)) {
    return { problem: `expected the part before "/realms/", without "?" and "#", got ${shownUrl(found)}` }
  }
  if (/\/(\.|%2e){1,2}(\/|$)/i.test(path)) {
    return { problem: `expected a path without "." and ".." in it, got ${shownUrl(found)}` }
  }
  const { origin, pathname } = new URL(found)
  return { value: `${origin}${pathname.replace(/\/+$/, "")}` }
}

/** A realm's name. In a path, `.` and `..` lead to another address, and half a surrogate pair can't be written at all. */
export function checkRealmName(found: unknown): Checked {
  const what = "the realm's name, as in the console's address bar"
  const checked = checkName(found, what)
  if ("problem" in checked || !/^\.{1,2}$|[/\\]/.test(checked.value)) return checked
  return { problem: `expected ${what}, got ${inQuotes(checked.value)}` }
}

/** A name as Keycloak keeps it, such as a Client ID: one line of at most 255 characters with nothing around it. */
export function checkName(found: unknown, what: string): Checked {
  if (typeof found !== "string") return { problem: `expected ${what}, got ${kindOf(found)}` }
  const why =
    found !== "" && found.trim() !== found
      ? ", with blanks or line breaks around it"
      : /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(found)
        ? ", with characters in it that no name has"
        : found.length > 255
          ? ", which is longer than 255 characters"
          : ""
  return found === "" || why !== "" ? { problem: `expected ${what}, got ${inQuotes(found)}${why}` } : { value: found }
}

/** Nothing of a password in it. */
function shownUrl(found: unknown): string {
  if (typeof found !== "string") return kindOf(found)
  return inQuotes(found.replace(/^.*@/s, "…@"))
}
