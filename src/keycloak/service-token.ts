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

export function createServiceToken(grant: () => Promise<Granted>, now: () => number): ServiceToken {
  let current: { token: string; renewAt: number } | null = null
  let asking: Promise<string> | null = null

  async function renew(): Promise<string> {
    const askedAt = now()
    const { accessToken, expiresInSeconds } = await grant()
    // A fifth of its life ahead: a token must not die on its way to Keycloak.
    current = { token: accessToken, renewAt: askedAt + expiresInSeconds * 800 }
    return accessToken
  }

  async function get(): Promise<string> {
    if (current !== null && now() < current.renewAt) return current.token
    asking ??= renew().finally(() => {
      asking = null
    })
    return asking
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
