import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics"
import { afterEach, describe, expect, it } from "vitest"
import { serveMetrics } from "../../examples/opentelemetry/metrics.ts"
import { createGate } from "../../src/index.js"
import { type MetricsOptions, recordMetrics } from "../../src/telemetry/opentelemetry.js"
import { closedPort } from "../adapters/listen.js"
import { answerLate } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

const open: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function setUp() {
  const realm = await startFaultyRealm()
  const gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
  open.push(realm.close, gate.close)
  return { realm, gate }
}

const ada = { username: "ada", password: secrets.password }

/** Everything that is done to a gate here: two logins, one of them slow, and two tokens. */
async function use(gate: Awaited<ReturnType<typeof setUp>>["gate"], realm: FaultyRealm): Promise<void> {
  await gate.loginWithPassword(ada)
  realm.breakWith(answerLate(300), { at: paths.token })
  await gate.loginWithPassword(ada)
  await gate.verifyBearer(`Bearer ${await realm.mint()}`)
  await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint({ exp: 1 })}`))
}

describe("recordMetrics", () => {
  function recording(options: MetricsOptions = {}) {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
    const meterProvider = new MeterProvider({ readers: [reader] })
    const recorded = recordMetrics({ meterProvider, ...options })
    open.push(
      () => recorded.stop(),
      () => meterProvider.shutdown(),
    )
    async function read() {
      await meterProvider.forceFlush()
      const metrics =
        exporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap(scope => scope.metrics) ?? []
      return new Map(
        metrics.map(({ descriptor, dataPoints }) => [descriptor.name, { descriptor, dataPoints }] as const),
      )
    }
    return { recorded, read }
  }

  it("counts verifications, verbs and requests, with the attributes of the conventions and no others", async () => {
    const { realm, gate } = await setUp()
    const { read } = recording({ gates: [gate] })
    await use(gate, realm)
    const metrics = await read()
    const pointsOf = (name: string) => metrics.get(name)?.dataPoints ?? []
    expect(pointsOf("keycloak_gate.verify.duration").map(({ attributes }) => attributes)).toEqual([
      {},
      { "error.type": "invalid_token" },
    ])
    expect(pointsOf("keycloak_gate.verb.duration")).toMatchObject([
      { attributes: { "keycloak_gate.verb.name": "loginWithPassword" }, value: { count: 2 } },
    ])
    const { port } = new URL(realm.url)
    const request = { "server.address": "127.0.0.1", "server.port": Number(port), "http.response.status_code": 200 }
    expect(pointsOf("http.client.request.duration").map(({ attributes }) => attributes)).toEqual([
      {
        ...request,
        "http.request.method": "POST",
        "url.template": "/realms/{realm}/protocol/openid-connect/token",
      },
      { ...request, "http.request.method": "GET", "url.template": "/realms/{realm}/protocol/openid-connect/certs" },
    ])
    for (const name of ["keycloak_gate.verify.duration", "keycloak_gate.verb.duration", "http.client.request.duration"])
      expect(metrics.get(name)?.descriptor.unit).toBe("s")
  })

  it("shows a slow login with its cause: how long Keycloak took of it, and how often it was asked", async () => {
    const { realm, gate } = await setUp()
    const { read } = recording()
    realm.breakWith(answerLate(300), { at: paths.token })
    await gate.loginWithPassword(ada)
    const metrics = await read()
    const histogram = (name: string) => metrics.get(name)?.dataPoints[0]?.value as { count: number; sum: number }
    const login = histogram("keycloak_gate.verb.duration")
    const keycloak = histogram("keycloak_gate.verb.keycloak.duration")
    expect(keycloak.sum).toBeGreaterThan(0.29)
    expect(keycloak.sum).toBeLessThanOrEqual(login.sum)
    expect(histogram("keycloak_gate.verb.keycloak.requests")).toMatchObject({ count: 1, sum: 1 })
  })

  it("tells an outage by its failure, and the state of each gate", async () => {
    const serverUrl = await closedPort()
    const gate = createGate({ serverUrl, realm: "shop", clientId: "shop-api", onEvent: () => undefined })
    open.push(gate.close)
    const { read } = recording({ gates: [gate] })
    expect((await read()).get("keycloak_gate.keycloak.up")).toBeUndefined()
    await refusalOf(gate.loginWithPassword(ada))
    const metrics = await read()
    expect(metrics.get("http.client.request.duration")?.dataPoints[0]?.attributes).toMatchObject({
      "error.type": "ECONNREFUSED",
    })
    expect(metrics.get("keycloak_gate.keycloak.up")?.dataPoints).toMatchObject([
      { value: 0, attributes: { "keycloak_gate.realm": "shop" } },
    ])
    expect(metrics.get("keycloak_gate.unfinished")?.dataPoints).toMatchObject([{ value: 0 }])
  })

  it("records no more after stop()", async () => {
    const { realm, gate } = await setUp()
    const { recorded, read } = recording({ gates: [gate] })
    recorded.stop()
    recorded.stop()
    await use(gate, realm)
    expect([...(await read()).keys()]).toEqual([])
  })

  it.each([[{ gates: {} }], [{ gates: [{}] }], [{ meterProvider: {} }], [{ gate: [] }], [null], [5]])(
    "refuses %j with config_invalid",
    options => {
      expect(() => recordMetrics(options as MetricsOptions)).toThrow(
        expect.objectContaining({ code: "config_invalid" }),
      )
    },
  )

  it("records to the registered provider, or to nobody, without one of its own", async () => {
    const { realm, gate } = await setUp()
    const recorded = recordMetrics()
    await use(gate, realm)
    recorded.stop()
  })
})

describe("the example for Prometheus", () => {
  it("serves what Prometheus scrapes, with buckets of our own, and nothing of anybody in it", async () => {
    const { realm, gate } = await setUp()
    const port = Number(new URL(await closedPort()).port)
    const served = await serveMetrics(gate, port)
    open.push(served.close)
    await use(gate, realm)
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
    const text = await answer.text()
    expect(answer.headers.get("content-type")).toContain("text/plain")
    for (const line of text.trim().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE|UNIT) .+|[a-z_:][\w:]*(\{[^}]*(\{\w+\}[^}]*)*\})? [-+\d.e]+(Inf)?( \d+)?)$/i)
    expect(text).toMatch(/^# TYPE keycloak_gate_verify_duration histogram$/m)
    expect(text).toMatch(/^keycloak_gate_verify_duration_bucket\{.*le="0.0001".*\} \d+$/m)
    expect(text).toMatch(/^keycloak_gate_verb_duration_count\{.*loginWithPassword.*\} 2$/m)
    expect(text).toMatch(/^http_client_request_duration_bucket\{.*openid-connect\/token.*le="0.25".*\} 1$/m)
    expect(text).toMatch(/^keycloak_gate_keycloak_up\{.*\} 1$/m)
    expect(secretsIn(text, { username: '"ada"' })).toEqual([])
  })
})
