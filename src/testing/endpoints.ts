import { adminApi } from "./admin/admin-api.js"
import { type Answer, type Call, json, NotKnown, notKnown } from "./answer.js"
import { certs, discovery } from "./protocol/discovery.js"
import { introspectionEndpoint } from "./protocol/introspection-endpoint.js"
import { logoutEndpoint, revocationEndpoint } from "./protocol/session-endpoints.js"
import { tokenEndpoint } from "./protocol/token-endpoint.js"
import { userinfoEndpoint } from "./protocol/userinfo-endpoint.js"
import type { RealmModel } from "./realm/realm-model.js"

/** Keycloak's paths; what is not known here is said so, with 501. */
export async function answerCall(realm: RealmModel, call: Call): Promise<Answer> {
  try {
    return await route(realm, call)
  } catch (error) {
    if (error instanceof NotKnown) return notKnown(error.message)
    throw error
  }
}

type Endpoint = (realm: RealmModel, call: Call) => Promise<Answer> | Answer

const protocol = "/protocol/openid-connect"
const endpoints: Readonly<Record<string, readonly [methods: string, endpoint: Endpoint]>> = {
  "/.well-known/openid-configuration": ["GET", discovery],
  [`${protocol}/certs`]: ["GET", certs],
  [`${protocol}/token`]: ["POST", tokenEndpoint],
  [`${protocol}/token/introspect`]: ["POST", introspectionEndpoint],
  [`${protocol}/userinfo`]: ["GET POST", userinfoEndpoint],
  [`${protocol}/logout`]: ["POST", logoutEndpoint],
  [`${protocol}/revoke`]: ["POST", revocationEndpoint],
}

async function route(realm: RealmModel, call: Call): Promise<Answer> {
  const [, kind, encodedName = "", path = ""] = /^\/(realms|admin\/realms)\/([^/]+)(.*)$/.exec(call.path) ?? []
  const name = decodeURIComponent(encodedName)
  if (name === "master") throw new NotKnown("has no master realm.")
  if (kind === "admin/realms") {
    if (name === realm.name) return adminApi(realm, call, path)
    // Keycloak looks at the token first, and it can't be of a realm that does not exist.
    const error = call.headers.authorization === undefined ? "HTTP 401 Unauthorized" : "Realm not found."
    return json(call.headers.authorization === undefined ? 401 : 404, { error })
  }
  if (kind !== "realms") throw new NotKnown(`has nothing at ${call.path}.`)
  if (name !== realm.name) return json(404, { error: "Realm does not exist" })
  const [methods, endpoint] = endpoints[path] ?? []
  if (methods === undefined || endpoint === undefined) throw new NotKnown(`has nothing at ${call.path}.`)
  if (call.method === "HEAD" || call.method === "OPTIONS") throw new NotKnown(`does not answer ${call.method}.`)
  if (methods.split(" ").includes(call.method)) return endpoint(realm, call)
  return json(405, { error: "HTTP 405 Method Not Allowed" })
}
