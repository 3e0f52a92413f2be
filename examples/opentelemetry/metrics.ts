import { PrometheusExporter } from "@opentelemetry/exporter-prometheus"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import type { Gate } from "keycloak-gate"
import { recordMetrics } from "keycloak-gate/opentelemetry"

/** Serves the gate's metrics at `/metrics` of this port, for Prometheus to scrape. */
export async function serveMetrics(gate: Gate<unknown>, port = 9464): Promise<{ close(): Promise<void> }> {
  const exporter = new PrometheusExporter({ host: "127.0.0.1", port, preventServerStart: true })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const recorded = recordMetrics({ gates: [gate], meterProvider })
  await exporter.startServer()
  return {
    async close() {
      recorded.stop()
      await meterProvider.shutdown()
    },
  }
}
