import type { IncomingHttpHeaders } from "node:http"

/** An HTTP answer; without a body it is sent empty. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>> | undefined
}

/**
 * Answers a parsed body, whatever that is, or one that is still being read; what rejects is for the framework. `headers`
 * are those that came with it.
 *
 * A body that is no object counts as an empty one, so that the answer names every missing field. Only named fields are
 * read: no `scope`, which could ask for a session that never ends, and nothing else that Keycloak would take.
 */
export type AnswerRequest<Request> = (body: unknown, request: Request, headers?: IncomingHttpHeaders) => Promise<Answer>
