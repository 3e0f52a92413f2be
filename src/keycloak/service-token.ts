import type { Deadline } from "./deadline.js"
import { createShare, type Sharing } from "./share.js"

/** The token of the service account that registers people, shared and renewed ahead of its end. */
export interface ServiceToken {
  readonly get: () => Promise<string>
  /** Asks with the token, and once more with another one where Keycloak does not take it, say after a restart. */
  readonly use: <Answer>(
    ask: (token: string) => Promise<Answer>,
    isRefused: (answer: Answer) => boolean,
  ) => Promise<Answer>
}

interface Granted {
  readonly accessToken: string
  readonly expiresInSeconds: number
}

// A fifth of its life ahead: a token must not die on its way to Keycloak.
const usedPart = 0.8

/** `elapsed`: milliseconds of a clock that is never set back. */
export function createServiceToken(
  grant: () => Promise<Granted>,
  elapsed: () => number,
  sharing: Sharing,
): ServiceToken {
  let current: { readonly token: string; readonly askedAt: number; readonly usableMs: number } | null = null
  const share = createShare<string>(sharing)

  async function renew(): Promise<string> {
    const askedAt = elapsed()
    const { accessToken, expiresInSeconds } = await grant()
    current = { token: accessToken, askedAt, usableMs: expiresInSeconds * 1000 * usedPart }
    return accessToken
  }

  async function get(): Promise<string> {
    if (current !== null) {
      const age = elapsed() - current.askedAt
      // A negative age is none: a test has put on a clock that begins anew.
      if (age >= 0 && age < current.usableMs) return current.token
    }
    return share("token", renew)
  }

  return {
    get,
    async use(ask, isRefused) {
      const token = await get()
      const answer = await ask(token)
      if (!isRefused(answer)) return answer
      if (current?.token === token) current = null
      return ask(await get())
    },
  }
}

/** For one call of a verb: nothing is asked with the token once the call's time is used up. */
export function serviceTokenWithin({ get, use }: ServiceToken, deadline: Deadline): ServiceToken {
  return {
    async get() {
      deadline.assertTime()
      return get()
    },
    async use(ask, isRefused) {
      deadline.assertTime()
      return use(
        async token => {
          deadline.assertTime()
          return ask(token)
        },
        answer => {
          const isOver = isRefused(answer)
          if (isOver) deadline.assertTime()
          return isOver
        },
      )
    },
  }
}
