import { connect } from "node:net"

/** What `load-process.ts` is told to do. */
export interface Order {
  readonly port: number
  readonly count: number
}

const connections = 8
const perBatch = 8

/** `GET /me` with this `Authorization`, as the bytes that go over the wire. */
export function requestWith(authorization: string): Buffer {
  return Buffer.from(`GET /me HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`, "latin1")
}

/** Eight requests each, to be sent at once. */
export function batchesOf(requests: readonly Buffer[]): Buffer[] {
  const batches = Math.floor(requests.length / perBatch)
  return Array.from({ length: batches }, (_, at) => Buffer.concat(requests.slice(at * perBatch, (at + 1) * perBatch)))
}

/**
 * Sends about `count` requests, eight at once on each of eight connections (RFC 9112 §9.3.2, pipelining), and the next
 * eight when all are answered: so the server's time goes into requests, not into waiting for packets.
 *
 * @throws {Error} when anything but `200` comes back
 */
export async function load(port: number, batches: readonly Buffer[], count: number): Promise<void> {
  let left = Math.ceil(count / perBatch)
  await Promise.all(Array.from({ length: connections }, () => onOneConnection()))

  function onOneConnection(): Promise<void> {
    return new Promise((resolve, reject) => {
      let answers = ""
      const socket = connect(port, "127.0.0.1", sendNext).setNoDelay().setEncoding("latin1")
      socket.on("error", reject).on("close", () => reject(new Error("the server hung up")))
      socket.on("data", (text: string) => {
        answers += text
        const [, ...statuses] = answers.split("HTTP/1.1 ")
        const other = statuses.find(status => !status.startsWith("200"))
        if (other !== undefined) return reject(new Error(`answered ${other.slice(0, 40)}`))
        // `ok` is the whole body of each, so nothing is on its way any more.
        if (statuses.length === perBatch && answers.endsWith("\r\n\r\nok")) sendNext()
      })
      function sendNext(): void {
        answers = ""
        if (left-- > 0) socket.write(batches[left % batches.length] as Buffer)
        else socket.removeAllListeners("close").end(resolve)
      }
    })
  }
}
