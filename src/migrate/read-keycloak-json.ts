import { readFileSync } from "node:fs"
import { GateError } from "../errors.js"
import { inQuotes } from "../foreign-text.js"
import { kindOf } from "../option-reader.js"

/**
 * The members of a keycloak.json, given by its path or as the object that it holds.
 *
 * @throws {GateError} `config_invalid` when it can't be read, or holds no object
 */
export function readKeycloakJson(pathOrObject: unknown): Readonly<Record<string, unknown>> {
  if (isMembers(pathOrObject)) return pathOrObject
  if (typeof pathOrObject !== "string" && !(pathOrObject instanceof URL)) {
    throw wrong(`expected the path of a keycloak.json, or what it holds, got ${kindOf(pathOrObject)}`)
  }
  // A text that is no path is not shown: there is a secret in it.
  if (/^\s*[{[]/.test(String(pathOrObject))) throw wrong("expected a path, got JSON; parse it: `JSON.parse(text)`")
  const path = inQuotes(String(pathOrObject), 300)
  const found = parse(read(pathOrObject, path), path)
  if (!isMembers(found)) throw wrong(`${path} holds ${kindOf(found)}, not an object`)
  return found
}

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof URL)
}

function read(file: string | URL, path: string): string {
  try {
    return readFileSync(file, "utf8").replace(/^\uFEFF/, "")
  } catch (error) {
    throw wrong(`can't read ${path} (${(error as NodeJS.ErrnoException).code ?? "unknown"})`)
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Of what it says only the place: it quotes the file, which holds the secret.
    const [place] = /line \d+ column \d+/.exec(String(error)) ?? []
    throw wrong(`${path} is no JSON${place === undefined ? "" : ` (${place})`}`)
  }
}

function wrong(why: string): GateError {
  return new GateError("config_invalid", `optionsFromKeycloakJson: ${why}.`)
}
