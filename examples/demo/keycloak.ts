import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"

/** A Keycloak as the story sees it: the one in this process, or the real server. */
export interface DemoKeycloak {
  readonly url: string
  /** What it is, for the head of the story. */
  readonly name: string
  /** Whether it was started for this story, so that the story may stop it. */
  readonly isOurs: boolean
  accountsNamed(username: string): Promise<readonly Account[]>
  /** How many sessions an account has. */
  sessionsOf(subject: string): Promise<number>
  /** May be called again, and when it is stopped already. */
  stop(): Promise<void>
  /** The same address, with an empty database: only what `realm.json` holds. */
  startAgain(): Promise<void>
}

export interface Account {
  readonly id: string
  readonly enabled: boolean
}

type Realm = {
  readonly realm: string
  readonly clients: readonly { readonly clientId: string; readonly secret: string }[]
  readonly users: readonly { readonly username: string; readonly credentials?: readonly { readonly value: string }[] }[]
}

/** The client and the person that the realm file brings along, with a secret and a password of this run alone. */
export const client = { realm: "shop", clientId: "shop-api", clientSecret: randomBytes(24).toString("base64url") }
export const edith = { username: "edith", password: randomBytes(24).toString("base64url") }

/** The realm of `realm.json`: what is written there for all to read gets into no server that is not ours. */
export const realm: Realm = withOwnSecrets(JSON.parse(readFileSync(new URL("../realm.json", import.meta.url), "utf8")))

function withOwnSecrets(file: Realm): Realm {
  const ownClient = (one: Realm["clients"][number]) =>
    one.clientId === client.clientId ? { ...one, secret: client.clientSecret } : one
  const ownUser = (user: Realm["users"][number]) =>
    user.username === edith.username ? { ...user, credentials: [{ type: "password", value: edith.password }] } : user
  return { ...file, clients: file.clients.map(ownClient), users: file.users.map(ownUser) }
}
