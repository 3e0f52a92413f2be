import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { SMTPServer } from "smtp-server"
import { adminFetch } from "../live/realms.ts"

interface Mailed {
  readonly to: string
  readonly text: string
  /** The link of the mail. */
  readonly link: string
}

/** A mail server on loopback that keeps what it gets. */
export interface Mailbox {
  readonly mails: readonly Mailed[]
  /** Sends a realm's mails here. */
  readonly attach: (realm: string) => Promise<void>
  /** From now on nobody takes mails. */
  readonly goDown: () => Promise<void>
}

export async function startMailbox(): Promise<Mailbox> {
  const mails: Mailed[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    closeTimeout: 100,
    onData(stream, { envelope }, done) {
      stream.toArray().then(chunks => {
        // Quoted-printable: soft line breaks, and = in hexadecimal.
        const text = Buffer.concat(chunks).toString().replaceAll("=\r\n", "").replaceAll("=3D", "=")
        const [{ address } = { address: "" }] = envelope.rcptTo
        mails.push({ to: address, text, link: /http\S+action-token\?key=[\w.-]+\S*/.exec(text)?.[0] ?? "" })
        done()
      }, done)
    },
  })
  server.on("error", () => undefined) // connections that are cut by goDown
  const listening = once(server.listen(0, "127.0.0.1"), "listening")
  await listening
  const { port } = server.server.address() as AddressInfo
  return {
    mails,
    async attach(realm) {
      const smtpServer = { host: "127.0.0.1", port: String(port), from: "keycloak@example.test" }
      const { status } = await adminFetch("PUT", `/realms/${realm}`, { smtpServer })
      if (status !== 204) throw new Error(`the realm's mail settings: ${status}`)
    },
    goDown: () => new Promise(resolve => server.close(() => resolve())),
  }
}
