import type { Authorization } from "../../verify/verify-bearer.js"

/**
 * The values of the `Authorization` field of a request of the web, as far as they can be told apart: `Headers` joins what
 * was sent twice with commas, which other schemes have inside.
 */
export function authorizationIn(headers: Headers): Authorization {
  const joined = headers.get("authorization")
  return joined?.includes(",") && holdsSeveral(joined) ? [joined, joined] : joined
}

// RFC 9110 §11.4: behind a comma within one credentials there is a parameter, `name=value`. What begins like others, with a
// scheme and a blank, was sent by itself.
const others = /,[ \t]*(?:bearer[ \t]*(?=,|$)|[!#$%&'*+.^_`|~\w-]+[ \t]+[^ \t=,])/i

/** What stands in quotes belongs to a parameter, as of Digest; a quote that is never closed hides nothing. */
function holdsSeveral(joined: string): boolean {
  const parts = joined.replace(/\\./g, "").split('"')
  const outside = parts.filter((_, at) => at % 2 === 0 || at === parts.length - 1)
  return others.test(outside.join('""'))
}
