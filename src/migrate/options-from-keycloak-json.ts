import { printable } from "../foreign-text.js"
import { type OptionReader, readOptions } from "../option-reader.js"
import { checkName, checkRealmName, checkServerUrl } from "../options/server-address.js"
import { createMembers, type IgnoredMember } from "./members.js"
import { readKeycloakJson } from "./read-keycloak-json.js"
import type { Environment } from "./variables.js"

/** What `createGate` takes of a keycloak.json. */
export interface KeycloakJsonOptions {
  readonly serverUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret?: string
}

/** How a keycloak.json is read. */
export interface KeycloakJsonSettings {
  /** Where `${env.NAME}` is looked up; default `process.env`. */
  readonly env?: Environment | undefined
  /** Hears of the members that make no option; default: one warning, through `process.emitWarning`. */
  readonly onIgnored?: ((members: readonly IgnoredMember[]) => void) | undefined
}

/**
 * `createGate`'s options from keycloak-connect's keycloak.json: the path of one, or what it holds.
 *
 * `${env.NAME}` and `${env.NAME:default}` are replaced. What makes no option is named in one warning, with what there is in
 * its place. `verify-token-audience: false` is no option: who means it writes `audience: null`.
 *
 * @throws {GateError} `config_invalid` when the file can't be read or is no JSON, when a member is missing or wrong, or
 * when a variable without default is not set
 * @example
 * const gate = createGate({ ...optionsFromKeycloakJson("keycloak.json"), userStore })
 */
export function optionsFromKeycloakJson(
  pathOrObject: string | URL | object,
  settings: KeycloakJsonSettings = {},
): KeycloakJsonOptions {
  const { env = process.env, onIgnored = warn } = readOptions("optionsFromKeycloakJson", settings, readSettings)
  const members = createMembers(readKeycloakJson(pathOrObject), env)
  const serverUrl = members.text(["auth-server-url", "server-url", "serverUrl", "authServerUrl"], checkServerUrl)
  const realm = members.text(["realm"], checkRealmName)
  const clientId = members.text(["resource", "client-id", "clientId"], found => checkName(found, "a Client ID"))
  const secret = members.secret(["credentials.secret", "secret"])
  const isPublic = members.flag(["public-client", "public"])?.isSet === true
  if (isPublic && secret !== null) members.ignore("credentials.secret", "the client is public, so no secret is sent")
  const audience = members.flag(["verify-token-audience", "verifyTokenAudience"])
  if (audience?.isSet === false)
    members.ignore(audience.name, "the audience is always checked, unless you write `audience: null` yourself")
  const ignored = members.close()
  if (ignored.length > 0) onIgnored(ignored)
  return { serverUrl, realm, clientId, ...(secret !== null && !isPublic && { clientSecret: secret }) }
}

function readSettings(given: OptionReader): KeycloakJsonSettings {
  const isObject = (one: unknown) => typeof one === "object" && one !== null
  return {
    env: given.one<Environment | undefined>("env", undefined, "an object of variables", isObject),
    onIgnored: given.one<KeycloakJsonSettings["onIgnored"]>("onIgnored", undefined, "a function", isFunction),
  }
}

function isFunction(value: unknown): boolean {
  return typeof value === "function"
}

function warn(ignored: readonly IgnoredMember[]): void {
  const lines = ignored.map(({ name, why }) => `\`${printable(name)}\`: ${why}.`)
  const text = `optionsFromKeycloakJson leaves out what makes no option.\n${lines.join("\n")}`
  process.emitWarning(text, { type: "KeycloakGateWarning", code: "keycloak_json_ignored" })
}
