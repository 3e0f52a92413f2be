import { afterAll } from "vitest"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { type FaultyServer, startFaultyServer } from "./faulty-server.ts"
import { forward } from "./proxy.ts"
import { secrets } from "./refusal-of.ts"

type Shop = Pick<TestRealm, "gateOptions" | "addUser" | "users" | "issueToken" | "rotateKeys">

/** The test realm behind a server that breaks on demand; its issuer is at that server's address. */
export interface FaultyRealm extends FaultyServer, Shop {
  /** A token of Ada; a claim that is set to undefined is left out. */
  readonly mint: (claims?: Readonly<Record<string, unknown>>) => Promise<string>
}

// One for all tests of a file: making its RSA keys takes longer than most tests.
let shop: Promise<TestRealm> | undefined
afterAll(async () => (await shop)?.stop())

export async function startFaultyRealm(): Promise<FaultyRealm> {
  shop ??= startShop()
  const { url, issuer, gateOptions, addUser, users, issueToken, rotateKeys } = await shop
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

async function startShop(): Promise<TestRealm> {
  const realm = await startTestRealm({ clientSecret: secrets.clientSecrets[0] })
  realm.addUser({ username: "ada", password: secrets.password })
  // The keys are made beside the start, and a test with a short time limit must not wait for them.
  await fetch(`${realm.issuer}/protocol/openid-connect/certs`)
  return realm
}
