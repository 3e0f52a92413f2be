import { readFileSync } from "node:fs"
import type { RealmFile } from "../live/keycloak/admin.ts"

interface ShopFile extends RealmFile {
  readonly clients: readonly { readonly clientId: string; readonly secret?: string }[]
}

/** The shop's realm under a name of its own, with the client of the page, which is at `address` with its API. */
export function shopWithPage(realm: string, address: string): { readonly file: RealmFile; readonly secret: string } {
  const shop: ShopFile = JSON.parse(exampleFile("realm.json"))
  const client = JSON.parse(exampleFile("single-page/client.json").replaceAll("http://127.0.0.1:3000", address))
  const passwordPolicy = "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)" // for speed
  const secret = shop.clients.find(({ clientId }) => clientId === "shop-api")?.secret ?? ""
  return { file: { ...shop, realm, passwordPolicy, clients: [...shop.clients, client] }, secret }
}

function exampleFile(path: string): string {
  return readFileSync(new URL(`../../examples/${path}`, import.meta.url), "utf8")
}
