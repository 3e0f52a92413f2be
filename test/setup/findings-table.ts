import type { Finding, Rights, ToldFinding } from "../../src/setup/finding.js"

/** A finding as it was told in a live run, and the requests that mended it. */
export interface Measured {
  readonly finding: ToldFinding
  readonly mends: readonly string[]
}

const rights: Readonly<Record<Rights, string>> = {
  none: "none",
  client: "client",
  "manage-users": "service account",
  probe: "probe",
  administrator: "administrator",
}

/** A row for each finding, in the order of telling. */
export function findingsTable(findings: readonly Finding[], measured: readonly Measured[]): string {
  const rows = findings.map(({ id, severity, rights: needed }) => {
    const [first] = measured.filter(({ finding }) => finding.id === id)
    const { what = "", why = "", mend = "" } = first?.finding ?? {}
    const requests = (first?.mends ?? []).map(one => `\`${shortened(one)}\``).join(", ")
    return [`\`${id}\``, severity, `${what} ${why}`, rights[needed], mend, requests || "–"]
  })
  const head = ["id", "severity", "what is seen", "rights", "mend", "by the Admin API"]
  return [head, head.map(() => "---"), ...rows].map(cells => `| ${cells.map(cell).join(" | ")} |`).join("\n")
}

function shortened(request: string): string {
  const [, line = "", body = ""] = /^(\S+ \S+)(.*)$/.exec(request) ?? []
  return body.length > 120 ? `${line} {…}` : line + body.replace(/ and hash.*(?="})/, "")
}

/** What differs from run to run, and what would end a cell. */
function cell(text: string): string {
  return text
    .replace(/(127\.0\.0\.1|0\.0\.0\.0):\d+/g, "$1:8080")
    .replace(/keycloak-gate-probe-[\da-f]+/g, "keycloak-gate-probe-…")
    .replace(/\b(59|60)\d s\b/g, "600 s")
    .replace(/\b59 s\b/g, "60 s")
    .replace(/\b1\d{4} bytes/g, "14700 bytes")
    .replace("within 300 ms", "within 5000 ms")
    .replace("UND_ERR_SOCKET", "ECONNRESET")
    .replace("EAI_AGAIN", "ENOTFOUND")
    .replace(/\bdoctor\b/g, "shop")
    .replace(/\bDOCTOR\b/g, "SHOP")
    .replaceAll("|", "\\|")
}
