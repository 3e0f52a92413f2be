import { type Answer, type Call, json } from "../answer.js"
import type { RealmModel } from "../realm/realm-model.js"
import { levelsOf } from "./protocol-mappers.js"
import { issuerOf } from "./token-context.js"

const asymmetric = ["PS384", "RS384", "EdDSA", "ES384", "ES256", "RS256", "ES512", "PS256", "PS512", "RS512"]
const signing = [
  "PS384",
  "RS384",
  "EdDSA",
  "ES384",
  "HS256",
  "HS512",
  "ES256",
  "RS256",
  "HS384",
  "ES512",
  "PS256",
].concat("PS512", "RS512")
const keyEncryption = [
  "ECDH-ES+A256KW",
  "ECDH-ES+A192KW",
  "ECDH-ES+A128KW",
  "RSA-OAEP",
  "RSA-OAEP-256",
  "RSA1_5",
  "ECDH-ES",
]
const contentEncryption = ["A256GCM", "A192GCM", "A128GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"]
const clientAuthentication = [
  "private_key_jwt",
  "client_secret_basic",
  "client_secret_post",
  "tls_client_auth",
  "client_secret_jwt",
]
const authenticated = (endpoint: string) => ({
  [`${endpoint}_auth_methods_supported`]: clientAuthentication,
  [`${endpoint}_auth_signing_alg_values_supported`]: signing,
})
const encrypted = (what: string) => ({
  [`${what}_encryption_alg_values_supported`]: keyEncryption,
  [`${what}_encryption_enc_values_supported`]: contentEncryption,
})

/** `GET /realms/{realm}/.well-known/openid-configuration`, which a disabled realm answers too. */
export function discovery(realm: RealmModel, call: Call): Answer {
  const issuer = issuerOf(call.origin, realm)
  const base = `${issuer}/protocol/openid-connect`
  const endpoints = {
    token_endpoint: `${base}/token`,
    introspection_endpoint: `${base}/token/introspect`,
    userinfo_endpoint: `${base}/userinfo`,
    revocation_endpoint: `${base}/revoke`,
    device_authorization_endpoint: `${base}/auth/device`,
    registration_endpoint: `${issuer}/clients-registrations/openid-connect`,
    pushed_authorization_request_endpoint: `${base}/ext/par/request`,
    backchannel_authentication_endpoint: `${base}/ext/ciba/auth`,
  }
  const scopes = [...realm.scopes.values()].filter(({ isInDiscovery }) => isInDiscovery)
  const document = {
    issuer,
    authorization_endpoint: `${base}/auth`,
    ...endpoints,
    end_session_endpoint: `${base}/logout`,
    frontchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    jwks_uri: `${base}/certs`,
    check_session_iframe: `${base}/login-status-iframe.html`,
    grant_types_supported: [
      ...["authorization_code", "client_credentials", "implicit", "password", "refresh_token"],
      ...["device_code", "jwt-bearer", "token-exchange", "uma-ticket"].map(
        grant => `urn:ietf:params:oauth:grant-type:${grant}`,
      ),
      "urn:openid:params:grant-type:ciba",
    ],
    acr_values_supported: [...levelsOf(realm.settings.levels).map(([name]) => name), "0", "1"],
    response_types_supported: [
      ...["code", "none", "id_token", "token", "id_token token", "code id_token", "code token", "code id_token token"],
    ],
    subject_types_supported: ["public", "pairwise"],
    prompt_values_supported: ["none", "login", "consent"],
    id_token_signing_alg_values_supported: signing,
    ...encrypted("id_token"),
    userinfo_signing_alg_values_supported: [...signing, "none"],
    ...encrypted("userinfo"),
    request_object_signing_alg_values_supported: [...signing, "none"],
    ...encrypted("request_object"),
    response_modes_supported: ["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"],
    ...authenticated("token_endpoint"),
    ...authenticated("introspection_endpoint"),
    ...authenticated("revocation_endpoint"),
    authorization_signing_alg_values_supported: signing,
    ...encrypted("authorization"),
    claims_supported: [
      ...["iss", "sub", "aud", "exp", "iat", "auth_time", "name", "given_name", "family_name", "preferred_username"],
      ...["email", "acr", "azp", "nonce"],
    ],
    claim_types_supported: ["normal"],
    claims_parameter_supported: true,
    scopes_supported: ["openid", ...scopes.map(({ name }) => name)],
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    code_challenge_methods_supported: ["plain", "S256"],
    tls_client_certificate_bound_access_tokens: true,
    dpop_signing_alg_values_supported: asymmetric,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    backchannel_token_delivery_modes_supported: ["poll", "ping"],
    backchannel_authentication_request_signing_alg_values_supported: asymmetric,
    require_pushed_authorization_requests: false,
    mtls_endpoint_aliases: endpoints,
    authorization_response_iss_parameter_supported: true,
  }
  return json(200, document, { "cache-control": "no-cache, must-revalidate, no-transform, no-store" })
}

/** `GET …/certs`: the keys for signatures, and one for encryption that no verifier may use. */
export async function certs(realm: RealmModel): Promise<Answer> {
  return json(200, { keys: await realm.keys.keySet() }, { "cache-control": "no-cache" })
}
