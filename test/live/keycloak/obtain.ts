import { copiedDistribution, downloadedDistribution, keycloakVersion } from "./distribution.ts"
import { lastLines, runCommand } from "./run-command.ts"

export type Source =
  | { readonly kind: "running"; readonly url: string; readonly adminUsername: string; readonly adminPassword: string }
  | { readonly kind: "distribution"; readonly home: string }
  | { readonly kind: "docker"; readonly image: string }

/** Where a Keycloak comes from. Never answers "nowhere": tests that need one must not pass without it. */
export async function obtainKeycloak(log: (line: string) => void, mustBeOurs = false): Promise<Source> {
  const { KEYCLOAK_URL, KEYCLOAK_HOME } = process.env
  if (KEYCLOAK_URL && !mustBeOurs) return runningServer(KEYCLOAK_URL)
  if (KEYCLOAK_HOME) return { kind: "distribution", home: await copiedDistribution(KEYCLOAK_HOME, log) }
  try {
    return { kind: "distribution", home: await downloadedDistribution(log) }
  } catch (error) {
    const noDistribution = (error as Error).message
    const image = `keycloak/keycloak:${keycloakVersion}`
    const noDocker = await whyNoDocker(image)
    if (noDocker === null) return { kind: "docker", image }
    throw new Error(nowhere(KEYCLOAK_URL, noDistribution, noDocker))
  }
}

function runningServer(url: string): Source {
  const { KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD } = process.env
  if (KEYCLOAK_ADMIN && KEYCLOAK_ADMIN_PASSWORD) {
    return {
      kind: "running",
      url: url.replace(/\/+$/, ""),
      adminUsername: KEYCLOAK_ADMIN,
      adminPassword: KEYCLOAK_ADMIN_PASSWORD,
    }
  }
  throw new Error(
    "KEYCLOAK_URL is set, but KEYCLOAK_ADMIN and KEYCLOAK_ADMIN_PASSWORD are not both. The tests import their own" +
      " realms, so they need an administrator of that server's master realm. Set both, or unset KEYCLOAK_URL.",
  )
}

async function whyNoDocker(image: string): Promise<string | null> {
  if ((await runCommand("docker", ["info"], 30)).code !== 0) return "no Docker daemon answers"
  const { code, output } = await runCommand("docker", ["pull", "-q", image], 900)
  return code === 0 ? null : `docker could not pull ${image}: ${lastLines(output, 3)}`
}

function nowhere(url: string | undefined, noDistribution: string, noDocker: string): string {
  const noRunning = url ? "set, but this test has to start and stop a server of its own" : "not set"
  return [
    "",
    "NO KEYCLOAK SERVER: these tests run against a real one, and none of the four ways to get it worked.",
    `  1. KEYCLOAK_URL with KEYCLOAK_ADMIN and KEYCLOAK_ADMIN_PASSWORD (a running server): ${noRunning}`,
    `  2. KEYCLOAK_HOME (an unpacked distribution of Keycloak ${keycloakVersion}, and Java 17 or later): not set`,
    `  3. Java 17 or later and Maven, which fetches the distribution: ${noDistribution}`,
    `  4. Docker: ${noDocker}`,
    "Make one of them work and run again.",
    "",
  ].join("\n")
}
