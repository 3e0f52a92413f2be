import { connect, type Socket } from "node:net"

/** What `load-process.ts` is told to do. */
export interface Order {
  readonly port: number
  readonly count: number
}

export const connections = 64
const answerEnd = Buffer.from("\r\n\r\nok")

/** `GET /me` with this `Authorization`, as the bytes that go over the wire. */
export function requestWith(authorization: string): Buffer {
  return Buffer.from(`GET /me HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`, "latin1")
}

/**
 * Sends `count` of these requests over connections that stay open, one at a time on each.
 *
 * @throws {Error} when anything but `200` and `ok` comes back
 */
export async function load(port: number, requests: readonly Buffer[], count: number): Promise<void> {
  let sent = 0
  await Promise.all(Array.from({ length: connections }, () => onOneConnection()))

  function onOneConnection(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket: Socket = connect(port, "127.0.0.1", sendNext).setNoDelay()
      socket.on("error", reject).on("close", () => reject(new Error("the server hung up")))
      socket.on("data", answer => {
        // So short an answer comes in one piece.
        if (answer.subarray(-answerEnd.length).equals(answerEnd) && answer.toString("latin1", 9, 12) === "200")
          sendNext()
        else reject(new Error(`answered ${answer.toString("latin1", 0, 40)}`))
      })
      function sendNext(): void {
        if (sent < count) socket.write(requests[sent++ % requests.length] as Buffer)
        else socket.removeAllListeners("close").end(resolve)
      }
    })
  }
}
