import type { TokenSet } from "../token-set.ts"

/** One way to check a bearer token, set up once for one realm. */
export interface Contestant {
  /** Checks the value of an `Authorization` field; throws, rejects or gives `false` for a bad one. */
  readonly verify: (authorization: string) => unknown
  /** What is measured in place of `verify`, for a base that has its tokens prepared. */
  readonly verifyAt?: (index: number) => unknown
  /** Default `"everything"`; the others are bases to compare with, and no way to verify a token. */
  readonly checks?: "everything" | "signature" | "nothing"
}

export type SetUp = (tokens: TokenSet) => Contestant | Promise<Contestant>
