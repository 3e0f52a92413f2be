import type { Answer } from "../handlers.js"

/** An answer as the web has it. */
export function toResponse({ status, headers, body }: Answer): Response {
  return new Response(body === undefined ? null : JSON.stringify(body), { status, headers })
}
