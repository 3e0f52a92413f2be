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

export const realmFile: URL = new URL("../realm.json", import.meta.url)
export const realm: Realm = JSON.parse(readFileSync(realmFile, "utf8"))

type Realm = {
  readonly realm: string
  readonly clients: readonly { readonly clientId: string; readonly secret: string }[]
  readonly users: readonly { readonly username: string; readonly credentials?: readonly { readonly value: string }[] }[]
}

/** The client and the person that the realm file brings along. */
export const client = {
  realm: realm.realm,
  clientId: "shop-api",
  clientSecret: realm.clients.find(({ clientId }) => clientId === "shop-api")?.secret ?? "",
}
export const edith = {
  username: "edith",
  password: realm.users.find(({ username }) => username === "edith")?.credentials?.[0]?.value ?? "",
}
