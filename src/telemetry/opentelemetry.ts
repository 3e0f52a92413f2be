import type { TracingChannel } from "node:diagnostics_channel"
import { type Attributes, type BatchObservableResult, type MeterProvider, metrics } from "@opentelemetry/api"
import { type KeycloakMessage, keycloakChannel, type TraceMessage, verbChannel, verifyChannel } from "../channels.js"
import type { Gate } from "../gate.js"
import { readOptions } from "../option-reader.js"

/** What `recordMetrics` takes; both are optional. */
export interface MetricsOptions {
  /** Gates whose `health()` is told whenever metrics are read. What the others tell is of all gates of the process. */
  readonly gates?: readonly Pick<Gate<unknown>, "health" | "realm">[] | undefined
  /** Default: the one that your OpenTelemetry SDK has registered. */
  readonly meterProvider?: MeterProvider | undefined
}

/** Metrics that are being recorded. */
export interface RecordedMetrics {
  /** Records no more. */
  readonly stop: () => void
}

// Seconds. A remembered token takes microseconds, and one that Keycloak is asked about as long as Keycloak.
const verifyBoundaries = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  5,
]
// A login hashes a password, and a verb may wait three times `timeoutMs`.
const verbBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
// Those of OpenTelemetry's semantic conventions for HTTP.
const httpBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const requestBoundaries = [0, 1, 2, 3, 4, 6, 8, 12]

/**
 * Records how long tokens and verbs take, and what Keycloak takes of it, as metrics of OpenTelemetry.
 *
 * No attribute holds a token, a name, an e-mail or an id of anybody. Nothing is measured before this is called, nor after
 * `stop()`.
 *
 * @throws {GateError} `config_invalid` when an option is wrong
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
 * @example
 * recordMetrics({ gates: [gate] })
 */
export function recordMetrics(options: MetricsOptions = {}): RecordedMetrics {
  const { gates, meterProvider } = readOptions("recordMetrics", options, given => ({
    gates: given.one<MetricsOptions["gates"]>("gates", [], "a list of what createGate returns", areGates) ?? [],
    meterProvider: given.one<MeterProvider>("meterProvider", metrics, "a MeterProvider", isMeterProvider),
  }))
  const meter = meterProvider.getMeter("keycloak-gate")

  function histogram(name: string, unit: string, description: string, explicitBucketBoundaries: number[]) {
    return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } })
  }
  const verifications = histogram("keycloak_gate.verify.duration", "s", "Verifying a token.", verifyBoundaries)
  const verbs = histogram("keycloak_gate.verb.duration", "s", "A call of a verb.", verbBoundaries)
  const verbSeconds = histogram(
    "keycloak_gate.verb.keycloak.duration",
    "s",
    "Keycloak's part of a call of a verb.",
    verbBoundaries,
  )
  const verbRequests = histogram(
    "keycloak_gate.verb.keycloak.requests",
    "{request}",
    "How often Keycloak was asked for a call of a verb.",
    requestBoundaries,
  )
  const requests = histogram("http.client.request.duration", "s", "Duration of requests to Keycloak.", httpBoundaries)

  const gauges = {
    up: meter.createObservableGauge("keycloak_gate.keycloak.up", {
      description: "1: Keycloak answers; 0: it is down.",
    }),
    age: meter.createObservableGauge("keycloak_gate.keys.age", {
      unit: "s",
      description: "How old Keycloak's keys are.",
    }),
    usable: meter.createObservableGauge("keycloak_gate.keys.usable_for", {
      unit: "s",
      description: "How long tokens are verified with these keys if none follow.",
    }),
    unfinished: meter.createObservableGauge("keycloak_gate.unfinished", {
      unit: "{registration}",
      description: "Registrations that are still to be finished.",
    }),
    backlog: meter.createObservableGauge("keycloak_gate.recheck.backlog", {
      unit: "{question}",
      description: "Questions about tokens that wait for their turn.",
    }),
  }
  const observed = Object.values(gauges)
  function observe(result: BatchObservableResult): void {
    for (const gate of gates) {
      const { keycloak, keys, unfinished, recheckBacklog } = gate.health()
      const attributes = { "keycloak_gate.realm": gate.realm }
      if (keycloak !== "unknown") result.observe(gauges.up, keycloak === "up" ? 1 : 0, attributes)
      if (keys !== null) {
        result.observe(gauges.age, keys.ageSeconds, attributes)
        result.observe(gauges.usable, keys.usableForSeconds, attributes)
      }
      result.observe(gauges.unfinished, unfinished, attributes)
      result.observe(gauges.backlog, recheckBacklog, attributes)
    }
  }
  meter.addBatchObservableCallback(observe, observed)

  const stops = [
    onEnd(verifyChannel, message => verifications.record(message.durationSeconds ?? 0, errorType(message.code))),
    onEnd(verbChannel, ({ name, code, keycloak, durationSeconds }) => {
      const attributes = { "keycloak_gate.verb.name": name, ...errorType(code) }
      verbs.record(durationSeconds ?? 0, attributes)
      verbSeconds.record(keycloak.seconds, attributes)
      verbRequests.record(keycloak.requests, attributes)
    }),
    onEnd(keycloakChannel, message => requests.record(message.durationSeconds ?? 0, requestAttributes(message))),
    () => meter.removeBatchObservableCallback(observe, observed),
  ]
  return {
    stop() {
      for (const stop of stops.splice(0)) stop()
    },
  }
}

/** Calls with each message of a channel that knows the outcome; gives what ends that. */
function onEnd<Message extends TraceMessage>(
  { asyncEnd }: TracingChannel<unknown, Message>,
  hear: (message: Message) => void,
): () => void {
  const listener = (message: unknown) => hear(message as Message)
  asyncEnd.subscribe(listener)
  return () => void asyncEnd.unsubscribe(listener)
}

function errorType(code: string | null): Attributes {
  return code === null ? {} : { "error.type": code }
}

function requestAttributes(message: KeycloakMessage): Attributes {
  const { method, serverAddress, serverPort, urlTemplate, status, failure } = message
  return {
    "http.request.method": method,
    "server.address": serverAddress,
    "server.port": serverPort,
    "url.template": urlTemplate,
    ...(status !== null && { "http.response.status_code": status }),
    ...errorType(failure ?? (status !== null && status >= 400 ? String(status) : null)),
  }
}

function areGates(found: unknown): boolean {
  return (
    Array.isArray(found) && found.every(gate => typeof gate?.health === "function" && typeof gate.realm === "string")
  )
}

function isMeterProvider(found: unknown): boolean {
  return typeof (found as { getMeter?: unknown } | null)?.getMeter === "function"
}
