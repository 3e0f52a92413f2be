import { setTimeout as delay } from "node:timers/promises"
import type { UserIdentity, UserStore } from "../../src/index.js"

/** A row that the store makes up when it is asked, so that it keeps nothing itself. */
export type Row = UserIdentity

/** A database with bad days: now and then it is late, throws, knows nothing, or never answers. */
export function troubledStore(random: () => number, lateMs: number): UserStore<Row> {
  async function trouble(): Promise<void> {
    const luck = random()
    if (luck < 0.001) await new Promise(() => undefined)
    if (luck < 0.004) await delay(lateMs)
    if (luck < 0.007) throw new Error("the database has a bad day")
  }
  return {
    async findUser({ issuer, subject }) {
      await trouble()
      return random() < 0.005 ? null : { issuer, subject }
    },
    async saveUser({ issuer, subject }) {
      await trouble()
      return { issuer, subject }
    },
    removeUser: trouble,
  }
}
