import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { Orders } from "./realm-process.ts"

type Result<Order extends keyof Orders> = Awaited<ReturnType<Orders[Order]>>

/** The test realm in another process. */
export interface Realm {
  readonly tell: <Order extends keyof Orders>(
    order: Order,
    ...argument: Parameters<Orders[Order]>
  ) => Promise<Result<Order>>
  readonly stop: () => Promise<void>
}

export function startRealm(): Realm {
  const execArgv = ["--import", join(import.meta.dirname, "from-source.ts")]
  const child = fork(join(import.meta.dirname, "realm-process.ts"), [], { execArgv })
  const waiting = new Map<number, (result: never) => void>()
  let orders = 0
  child.on("message", ({ id, result }: { id: number; result: never }) => {
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  child.on("exit", code => {
    if (waiting.size > 0) throw new Error(`The realm's process ended with ${code}.`)
  })
  return {
    tell: (order, ...[argument]) =>
      new Promise(resolve => {
        waiting.set(orders, resolve)
        child.send({ id: orders++, order, argument })
      }),
    async stop() {
      const gone = once(child, "exit")
      child.disconnect()
      await gone
    },
  }
}
