import { currentVerb, type KeycloakMessage, keycloakChannel, trace } from "../channels.js"
import type { Endpoint } from "../events.js"
import { nameOfFailure } from "./network-error.js"
import { urlTemplate } from "./url-template.js"

/** What is seen of one request while it is under way. */
export interface Sight {
  /** By `elapsed`; null: it waits for a place. */
  sentAt: number | null
  /** null: no answer yet. */
  status: number | null
}

interface Asked {
  readonly endpoint: Endpoint
}

/** Sends a request, and notes what it sees of it. */
export type WatchableFetch<Call extends Asked> = (
  url: string,
  call: Call,
  init: RequestInit | undefined,
  sight: Sight | null,
) => Promise<Response>

/** Publishes what becomes of each request, and counts it as its verb's; only where somebody listens. */
export function createWatchedFetch<Call extends Asked>(
  fetch: WatchableFetch<Call>,
  elapsed: () => number,
): (url: string, call: Call, init?: RequestInit) => Promise<Response> {
  return (url, call, init) => {
    const verb = currentVerb()
    if (verb === undefined && !keycloakChannel.hasSubscribers) return fetch(url, call, init, null)
    const cameAt = elapsed()
    const sight: Sight = { sentAt: null, status: null }
    const message = messageOf(url, call, init)
    return trace(keycloakChannel, message, elapsed, async () => {
      try {
        return await fetch(url, call, init, sight)
      } catch (error) {
        if (sight.status === null) message.failure = nameOfFailure(error)
        throw error
      } finally {
        const sentAt = sight.sentAt ?? elapsed()
        message.status = sight.status
        message.waitedSeconds = (sentAt - cameAt) / 1000
        message.durationSeconds = (elapsed() - sentAt) / 1000
        // What goes on after a verb has ended is none of its own.
        if (verb?.durationSeconds === null && sight.sentAt !== null) {
          verb.keycloak.requests += 1
          verb.keycloak.seconds += message.durationSeconds
        }
      }
    })
  }
}

function messageOf(url: string, { endpoint }: Asked, init: RequestInit | undefined): KeycloakMessage {
  const { hostname, port, protocol } = new URL(url)
  return {
    endpoint,
    method: init?.method ?? "GET",
    serverAddress: hostname,
    serverPort: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
    urlTemplate: urlTemplate(url),
    status: null,
    failure: null,
    waitedSeconds: 0,
    code: null,
    reason: null,
    durationSeconds: null,
  }
}
