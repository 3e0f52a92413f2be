import type { RequestListener } from "node:http"
import type { TokenSet } from "../token-set.ts"

/** One application with a single route, `GET /me`, which answers 200 and `ok` to whom it lets in. */
export type MakeApplication = (tokens: TokenSet) => RequestListener | Promise<RequestListener>
