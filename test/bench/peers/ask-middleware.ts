import type { RequestHandler } from "express"
import type { Contestant } from "../contestants/contestant.ts"

/** Calls an Express middleware with as little of a request as it looks at. */
export function askMiddleware(middleware: RequestHandler): Contestant {
  const common = {
    method: "GET",
    url: "/me",
    protocol: "http",
    query: {},
    is: () => false,
    get: (name: string) => (name === "Host" ? "localhost" : undefined),
  }
  return {
    verify(authorization) {
      const request = { ...common, headers: { host: "localhost", authorization } }
      return new Promise((resolve, reject) => {
        middleware(request as never, {} as never, error => (error === undefined ? resolve(true) : reject(error)))
      })
    },
  }
}
