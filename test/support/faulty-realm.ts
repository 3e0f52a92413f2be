import type { TestRealm } from "../../src/testing/index.js"
import { type FaultyServer, startFaultyServer } from "./faulty-server.ts"
import { forward } from "./proxy.ts"
import { openShop } from "./shop.ts"

type Shop = Pick<TestRealm, "gateOptions" | "addUser" | "users" | "issueToken" | "rotateKeys">

/** The test realm behind a server that breaks on demand; its issuer is at that server's address. */
export interface FaultyRealm extends FaultyServer, Shop {
  /** A token of Ada; a claim that is set to undefined is left out. */
  readonly mint: (claims?: Readonly<Record<string, unknown>>) => Promise<string>
}

export async function startFaultyRealm(): Promise<FaultyRealm> {
  const { url, issuer, gateOptions, addUser, users, issueToken, rotateKeys } = await openShop()
  const server = await startFaultyServer(call => forward(url, call))
  const iss = issuer.replace(url, server.url)
  const issueHere: TestRealm["issueToken"] = (user, claims, options) => issueToken(user, { iss, ...claims }, options)
  return {
    ...server,
    gateOptions: { ...gateOptions, serverUrl: server.url },
    issueToken: issueHere,
    mint: claims => issueHere("ada", claims),
    addUser,
    users,
    rotateKeys,
  }
}
