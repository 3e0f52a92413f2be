import type { Answer } from "./answer.js"
import { readBody } from "./answer.js"
import { unreachable } from "./network-error.js"

/**
 * One request over a connection of its own. `fetch` keeps idle connections, and what broke one of them, say a load
 * balancer that forgot it, may have broken all: each next request over another one of them would fail as well.
 */
export async function askOverOwnConnection(url: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
  const { request } = url.startsWith("https:") ? await import("node:https") : await import("node:http")
  const headers = { ...Object.fromEntries(new Headers(init.headers)), connection: "close" }
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: init.method ?? "GET", headers, signal })
    let isAnswered = false
    outgoing.on("error", error => reject(unreachable(url, error)))
    // An answer that changes the protocol ends a request without any other event.
    outgoing.on("close", () => isAnswered || reject(unreachable(url, new Error("the answer is none of HTTP"))))
    outgoing.on("response", incoming => {
      isAnswered = true
      const answered = new Headers()
      for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
        for (const value of values) answered.append(name, value)
      }
      readBody(url, incoming).then(
        body => resolve({ status: incoming.statusCode ?? 502, headers: answered, body }),
        reject,
      )
    })
    outgoing.end(init.body === undefined || init.body === null ? undefined : String(init.body))
  })
}
