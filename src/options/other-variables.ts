import { printable } from "../foreign-text.js"
import { nearestName } from "../nearest-name.js"

type Environment = Readonly<Record<string, string | undefined>>

/** What another library's variable holds; with the variables of ours that take it. */
interface Kind {
  readonly ours: readonly string[]
  readonly how: string
  /** By the end of its name. */
  readonly ends: RegExp
}

const [url, realm, client, secret] = [
  "KEYCLOAK_URL",
  "KEYCLOAK_REALM",
  "KEYCLOAK_CLIENT_ID",
  "KEYCLOAK_CLIENT_SECRET",
] as const

/** The first that fits is the one. */
const kinds: readonly Kind[] = [
  {
    ours: [url, realm],
    how: "The first takes the part of that address before /realms/, the second the name behind it",
    ends: /(^|_)(ISSUER(_(BASE_)?UR[IL])?|AUTHORITY|WELL_?KNOWN(_UR[IL])?|(OPENID_)?CONFIG(URATION)?_UR[IL]|DISCOVERY(_(UR[IL]|ENDPOINT))?|METADATA_UR[IL]|REALM_UR[IL]|JWKS?(_(UR[IL]|ENDPOINT))?|(AUTHORIZATION|AUTH|TOKEN|USER_?INFO|USER|INTROSPECTION|CERTS)_(ENDPOINT|UR[IL]))$/,
  },
  {
    ours: [url],
    how: "It takes Keycloak's address, the part before /realms/",
    ends: /(^|_)(UR[IL]|BASEURL|SERVER|HOST(NAME)?|ADDRESS|ADDR|DOMAIN|ENDPOINT|ORIGIN)$/,
  },
  { ours: [realm], how: "It takes the realm's name", ends: /(^|_)(REALM(_?(NAME|ID))?|TENANT(_ID)?)$/ },
  { ours: [secret], how: "It takes the secret of the client", ends: /(^|_)(CLIENT)?SECRET(_KEY)?$/ },
  {
    ours: [client],
    how: "It takes the Client ID of this application",
    ends: /(^|_)(CLIENT(_?(ID|NAME))?|RESOURCE|ID)$/,
  },
]

/** A name with one of these words is about Keycloak or a login by OpenID Connect. */
const about = /(^|_)(KEYCLOAK|KC|OIDC|OPENID|OAUTH2?|(RH)?SSO|IDP)(_|$)/
// `AUTH_URL` and `AUTH_SECRET` are no such names: with Auth.js they are the application's own address and its cookies' key.
const alone = /^(ISSUER(_(BASE_)?UR[IL])?|JWKS_UR[IL]|AUTH_SERVER_URL|AUTHORITY|REALM(_NAME)?|CLIENT_(ID|SECRET))$/
/** These are the administrator's, the server's own, or a browser client's. */
const otherwise =
  /(^|_)(ADMIN|BOOTSTRAP|DB|DATABASE|PASSWORD|USERNAME|PORT|HTTPS?|PROXY|LOG(GING|OUT)?|METRICS|HEALTH|CACHE|REDIRECT|CALLBACK|SESSION|COOKIE|STORE|TEST)(_|$)/

/**
 * For each of our variables that is missing, the one of another library that is set in its place; by name alone, never
 * with what it holds.
 */
export function otherVariables(missing: readonly string[], read: readonly string[], env: Environment): string[] {
  const names = Object.keys(env).filter(name => env[name] !== undefined && env[name] !== "" && !read.includes(name))
  return kinds.flatMap(({ ours, how, ends }) => {
    if (!ours.some(name => missing.includes(name))) return []
    const alike = names.filter(name => kindOf(name)?.ends === ends || isSlipOf(name, ours))
    return alike
      .slice(0, maxNames)
      .map(name => `${printable(name)} is set: did you mean ${ours.join(" and ")}? ${how}.`)
  })
}

const maxNames = 3

function kindOf(name: string): Kind | undefined {
  const upper = name.toUpperCase()
  const isMeant = alone.test(upper) || about.test(upper)
  return isMeant && !otherwise.test(upper) ? kinds.find(({ ends }) => ends.test(upper)) : undefined
}

/** `KEYCLOK_URL`; only where one variable takes the value. */
function isSlipOf(name: string, ours: readonly string[]): boolean {
  return ours.length === 1 && kindOf(name) === undefined && nearestName(name, ours) !== null
}
