import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { optionsFromEnv } from "../../src/index.js"
import { newestVersion } from "../live/keycloak/distribution.ts"

const folder = join(import.meta.dirname, "../../examples/compose")
const read = (file: string) => readFileSync(join(folder, file), "utf8")

interface Service {
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  readonly volumes: readonly string[]
  readonly ports: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck: { readonly test: readonly string[] }
}

const { services, volumes }: { services: Record<"postgres" | "keycloak", Service>; volumes: Record<string, null> } =
  parse(read("compose.yaml"))
const { postgres, keycloak } = services
const realm = JSON.parse(read("../realm.json"))
const application = parseEnv(read("application.env"))

// Docker does not run in these tests: what they hold together is what the file refers to.
describe("the compose file", () => {
  it("runs the Keycloak that the tests run", () => {
    expect(keycloak.image).toBe(`keycloak/keycloak:${newestVersion}`)
  })

  it("mounts only what there is", () => {
    const sources = Object.values(services).flatMap(({ volumes }) => volumes.map(volume => volume.split(":")[0] ?? ""))
    expect(sources.length).toBe(3)
    for (const source of sources) {
      expect([source, source.startsWith(".") ? existsSync(join(folder, source)) : source in volumes]).toEqual([
        source,
        true,
      ])
    }
  })

  it("imports the realm from where Keycloak looks for it", () => {
    const [, target] = keycloak.volumes.find(volume => volume.startsWith("../realm.json:"))?.split(":") ?? []
    expect(target).toBe(`/opt/keycloak/data/import/${realm.realm}-realm.json`)
  })

  it("gives Keycloak a database that PostgreSQL has, with the right password, once it is healthy", () => {
    const { KC_DB_URL = "", KC_DB_USERNAME, KC_DB_PASSWORD } = keycloak.environment
    const [, host, port, database] = /^jdbc:postgresql:\/\/(\w+):(\d+)\/(\w+)$/.exec(KC_DB_URL) ?? []
    expect([host, port]).toEqual(["postgres", "5432"])
    expect(read("keycloak-database.sql")).toContain(`CREATE DATABASE ${database};`)
    expect(postgres.healthcheck.test[1]).toContain(`--dbname ${database}`)
    const { POSTGRES_USER, POSTGRES_PASSWORD } = postgres.environment
    expect([KC_DB_USERNAME, KC_DB_PASSWORD]).toEqual([POSTGRES_USER, POSTGRES_PASSWORD])
    expect(keycloak.depends_on).toEqual({ postgres: { condition: "service_healthy" } })
  })

  it("listens on this machine only", () => {
    for (const port of [...postgres.ports, ...keycloak.ports]) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
  })

  it("comes with an environment in which an application finds both", () => {
    const client = realm.clients.find(
      ({ clientId }: { clientId: string }) => clientId === application.KEYCLOAK_CLIENT_ID,
    )
    expect(optionsFromEnv(application)).toMatchObject({ realm: realm.realm, clientSecret: client.secret })
    expect(keycloak.ports).toContain(`127.0.0.1:${new URL(application.KEYCLOAK_URL ?? "").port}:8080`)
    const { username, password, port, pathname } = new URL(application.PG_URL ?? "")
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = postgres.environment
    expect([username, password, pathname]).toEqual([POSTGRES_USER, POSTGRES_PASSWORD, `/${POSTGRES_DB}`])
    expect(postgres.ports).toContain(`127.0.0.1:${port}:5432`)
  })
})
