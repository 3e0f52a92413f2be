import { AsyncLocalStorage } from "node:async_hooks"
import { type TracingChannel, tracingChannel } from "node:diagnostics_channel"
import type { GateErrorCode } from "./error-codes.js"
import { type GateError, isGateError } from "./errors.js"
import type { Endpoint } from "./events.js"

/** What every message tells. The same object is published at each step, and knows the outcome from the last ones on. */
export interface TraceMessage {
  /** null: it went well, or is still under way; `"other"`: what was thrown is not this library's. */
  code: GateErrorCode | "other" | null
  /** Why a token was refused, or Keycloak not asked. */
  reason: NonNullable<GateError["reason"]> | null
  /** null: it is still under way. */
  durationSeconds: number | null
}

/** `keycloak-gate:verify`: a header or a token was looked at, by `verifyBearer`, `verifyToken`, or an adapter. */
export interface VerifyMessage extends TraceMessage {
  readonly realm: string
}

/** `keycloak-gate:verb`: a verb was called, such as `loginWithPassword`. */
export interface VerbMessage extends TraceMessage {
  readonly realm: string
  readonly name: string
  /** How often Keycloak was asked for this call, and how long that took together. */
  readonly keycloak: { requests: number; seconds: number }
}

/** `keycloak-gate:keycloak`: Keycloak was asked. It holds no address with a name or an id of somebody in it. */
export interface KeycloakMessage extends TraceMessage {
  readonly endpoint: Endpoint
  readonly method: string
  readonly serverAddress: string
  readonly serverPort: number
  /** The path, with `{realm}` and `{id}` for what differs. */
  readonly urlTemplate: string
  /** null: there was no answer. */
  status: number | null
  /** Why there was no answer: `"timeout"`, a code of Node's such as `"ECONNREFUSED"`, `"overload"` or `"closed"`. */
  failure: string | null
  /** How long it waited for a place before it was sent; no part of the duration. */
  waitedSeconds: number
}

type Channel<Message extends object> = TracingChannel<unknown, Message>

/** Each is used only where somebody listens. */
export const verifyChannel: Channel<VerifyMessage> = tracingChannel("keycloak-gate:verify")
export const verbChannel: Channel<VerbMessage> = tracingChannel("keycloak-gate:verb")
export const keycloakChannel: Channel<KeycloakMessage> = tracingChannel("keycloak-gate:keycloak")

const verbs = new AsyncLocalStorage<VerbMessage>()

/** The verb for which this is done, where somebody listens to verbs. */
export function currentVerb(): VerbMessage | undefined {
  return verbs.getStore()
}

/** A verb whose requests to Keycloak are counted as its own. */
export function traceVerb<Value>(
  message: VerbMessage,
  elapsed: () => number,
  work: () => Promise<Value>,
): Promise<Value> {
  return trace(verbChannel, message, elapsed, () => verbs.run(message, work))
}

/**
 * Does some work and publishes what becomes of it. Not by the channel's own `tracePromise`, which hands results and errors
 * around: tokens, people, and whatever an application throws.
 */
export async function trace<Message extends TraceMessage, Value>(
  channel: Channel<Message>,
  message: Message,
  elapsed: () => number,
  work: () => Promise<Value>,
): Promise<Value> {
  const startedAt = elapsed()
  function settled(): void {
    message.durationSeconds ??= (elapsed() - startedAt) / 1000
    channel.asyncStart.publish(message)
    channel.asyncEnd.publish(message)
  }
  const outcome = channel.start.runStores(message, work)
  channel.end.publish(message)
  try {
    const value = await outcome
    settled()
    return value
  } catch (error) {
    message.code = isGateError(error) ? error.code : "other"
    message.reason = (isGateError(error) && error.reason) || null
    message.durationSeconds ??= (elapsed() - startedAt) / 1000
    channel.error.publish(message)
    settled()
    throw error
  }
}
