type Endpoint =
  | "discovery"
  | "certs"
  | "token"
  | "introspection"
  | "userinfo"
  | "logout"
  | "profile"
  | "realm"
  | "create"
  | "find"
  | "remove"
  | "availableRoles"
  | "giveRoles"
  | "verificationMail"

/** Keycloak's endpoints, as `METHOD /path`. */
export const paths: Readonly<Record<Endpoint, RegExp>> = {
  discovery: /^GET .*\/\.well-known\/openid-configuration$/,
  certs: /^GET .*\/protocol\/openid-connect\/certs$/,
  token: /^POST .*\/protocol\/openid-connect\/token$/,
  introspection: /^POST .*\/token\/introspect$/,
  userinfo: /^GET .*\/protocol\/openid-connect\/userinfo$/,
  logout: /^POST .*\/protocol\/openid-connect\/logout$/,
  profile: /^GET \/admin\/realms\/[^/]+\/users\/profile$/,
  realm: /^GET \/admin\/realms\/[^/]+$/,
  create: /^POST \/admin\/realms\/[^/]+\/users\/?$/,
  find: /^GET \/admin\/realms\/[^/]+\/users\/?$/,
  availableRoles: /^GET \/admin\/realms\/[^/]+\/users\/[^/]+\/role-mappings\/realm\/available$/,
  giveRoles: /^POST \/admin\/realms\/[^/]+\/users\/[^/]+\/role-mappings\/realm$/,
  verificationMail: /^PUT \/admin\/realms\/[^/]+\/users\/[^/]+\/send-verify-email$/,
  remove: /^DELETE \/admin\/realms\/[^/]+\/users\/[^/]+$/,
}
