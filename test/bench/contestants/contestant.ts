import type { TokenSet } from "../token-set.ts"

/** One way to check a bearer token, set up once for one realm. */
export interface Contestant {
  /** Checks the value of an `Authorization` field; throws, rejects or gives `false` for a bad one. */
  readonly verify: (authorization: string) => unknown
  /** What is measured in place of `verify`, for a base that has its tokens prepared. */
  readonly verifyAt?: (index: number) => unknown
  /** Looks at the signature alone. */
  readonly signatureOnly?: true
}

export type SetUp = (tokens: TokenSet) => Contestant | Promise<Contestant>
