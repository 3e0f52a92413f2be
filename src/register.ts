declare global {
  namespace KeycloakGate {
    /**
     * Declare what your application knows here, once. Every member is optional.
     *
     * `user` is your row's type: `principal.user` has it in every handler, and a gate of another row type fails to compile
     * where it is mounted. `realmRoles`, `clientRoles`, `groups` and `scopes` are the names that guards may ask for: a
     * misspelt one fails to compile. What a token holds stays `string`.
     *
     * @example
     * declare global {
     *   namespace KeycloakGate {
     *     interface Register {
     *       user: Row
     *       realmRoles: "admin" | "customer"
     *       clientRoles: { "shop-api": "editor" | "reader" }
     *     }
     *   }
     * }
     */
    interface Register {}
  }
}

/** The realm roles that guards may ask for; any, unless `KeycloakGate.Register` declares them. */
export type RegisteredRealmRole = KeycloakGate.Register extends { realmRoles: infer Name extends string }
  ? Name
  : string

/** The groups that guards may ask for; any, unless `KeycloakGate.Register` declares them. */
export type RegisteredGroup = KeycloakGate.Register extends { groups: infer Name extends string } ? Name : string

/** The scopes that guards may ask for; any, unless `KeycloakGate.Register` declares them. */
export type RegisteredScope = KeycloakGate.Register extends { scopes: infer Name extends string } ? Name : string

/** The client roles that guards may ask for, by client; any, unless `KeycloakGate.Register` declares them. */
export type RegisteredClientRoles = KeycloakGate.Register extends { clientRoles: infer Clients }
  ? { readonly [Client in keyof Clients]?: readonly (Clients[Client] & string)[] }
  : Readonly<Record<string, readonly string[]>>
