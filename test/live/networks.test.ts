import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import { run } from "../runtimes/run-times.ts"
import { esmProgram, wellTold } from "../runtimes/story.ts"
import { type Certificate, createAuthority, selfSigned } from "../setup/certificate.ts"
import { overTls, type StandIn } from "../setup/stand-ins.ts"
import { changedShop, type TestClient } from "./realms.ts"

const root = join(import.meta.dirname, "../..")
const name = "keycloak.example.test"
const folder = mkdtempSync(join(tmpdir(), "keycloak-gate-networks-"))
const ca = join(folder, "ca.pem")

let front: StandIn
let proxy: Server
let asked: string[]
let direct: TestClient
let behindProxy: TestClient & { readonly internalUrl: string }

/** Keycloak under `/auth` of an address of https, with an intermediate authority, and an HTTP proxy that leads there. */
beforeAll(async () => {
  const authority = createAuthority("private root")
  const between = authority.authority("intermediate")
  const own = between.issue({ names: ["localhost", name] })
  writeFileSync(ca, authority.cert)
  const shop = await changedShop("shop-networks", () => undefined)
  front = await overTls({ cert: own.cert + between.cert, key: own.key }, shop.serverUrl, path =>
    path.replace(/^\/auth/, ""),
  )
  const { port } = new URL(front.url)
  const serverUrl = `https://localhost:${port}/auth`
  direct = await changedShop("shop-networks", realm => {
    realm.attributes = { ...realm.attributes, frontendUrl: serverUrl }
  }).then(client => ({ ...client, serverUrl }))
  behindProxy = { ...direct, internalUrl: `https://${name}/auth` }

  proxy = createServer().listen(0, "127.0.0.1")
  proxy.on("connect", ({ url = "" }, socket, head) => {
    asked.push(url)
    const onward = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    for (const end of [socket, onward]) end.on("error", () => undefined)
  })
  await once(proxy, "listening")
})
beforeEach(() => {
  asked = []
})
afterAll(async () => {
  proxy.close()
  await front.close()
  rmSync(folder, { recursive: true })
})

const proxied = () => ({ HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` })

/** What a process of its own tells, which has these variables from its start. */
async function tell(
  client: TestClient & { readonly internalUrl?: string },
  env: Readonly<Record<string, string>>,
): Promise<unknown> {
  const command = [process.execPath, "--input-type=module", "--eval", esmProgram]
  return JSON.parse(await run(root, command, { GATE_OPTIONS: JSON.stringify(client), ...env }))
}

describe("a Keycloak under /auth, with a certificate of a private authority", () => {
  it("serves a process that got the authority with NODE_EXTRA_CA_CERTS", async () => {
    expect(await tell(direct, { NODE_EXTRA_CA_CERTS: ca })).toEqual(wellTold)
  })

  it("is named as the cause, with the mend, in a process that did not get it", async () => {
    const outcome = await tell(direct, {}).then(String, String)
    expect(outcome).toMatch(/UNABLE_TO_GET_ISSUER_CERT_LOCALLY/)
    expect(outcome).toMatch(/does not know the authority.*NODE_EXTRA_CA_CERTS/)
    expect(outcome).not.toContain("Docker")
  })
})

describe("the file in NODE_EXTRA_CA_CERTS", () => {
  const authority = createAuthority("another root")
  const between = authority.authority("another intermediate")
  const alone = selfSigned("localhost")

  it.each<[string, Certificate, string]>([
    [
      "the intermediate too, where the server leaves it out",
      between.issue({ names: ["localhost"] }),
      authority.cert + between.cert,
    ],
    ["the certificate itself, where it is self-signed", alone, alone.cert],
  ])("may hold %s", async (_, shown, trusted) => {
    const file = join(folder, "trusted.pem")
    writeFileSync(file, trusted)
    const server = await overTls(shown, inject("keycloak").url)
    const internalUrl = server.url.replace("127.0.0.1", "localhost")
    try {
      expect(await tell({ ...direct, internalUrl }, { NODE_EXTRA_CA_CERTS: file })).toEqual(wellTold)
      expect(await tell({ ...direct, internalUrl }, {}).catch(String)).toMatch(/NODE_EXTRA_CA_CERTS/)
    } finally {
      await server.close()
    }
  })
})

describe("a proxy in HTTPS_PROXY", () => {
  it("is asked with NODE_USE_ENV_PROXY=1, and looks the name up", async () => {
    expect(await tell(behindProxy, { NODE_EXTRA_CA_CERTS: ca, NODE_USE_ENV_PROXY: "1", ...proxied() })).toEqual(
      wellTold,
    )
    expect(new Set(asked)).toEqual(new Set([`${name}:443`]))
  })

  it("is not asked without NODE_USE_ENV_PROXY", async () => {
    const outcome = await tell(behindProxy, { NODE_EXTRA_CA_CERTS: ca, ...proxied() }).then(String, String)
    expect(outcome).toMatch(/ENOTFOUND|EAI_AGAIN/)
    expect(asked).toEqual([])
  })

  it("is not asked for a host in NO_PROXY", async () => {
    const env = { NODE_EXTRA_CA_CERTS: ca, NODE_USE_ENV_PROXY: "1", NO_PROXY: "localhost,127.0.0.1", ...proxied() }
    expect(await tell(direct, env)).toEqual(wellTold)
    expect(asked).toEqual([])
  })
})
