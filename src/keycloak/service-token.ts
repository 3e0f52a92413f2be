/** The token of the service account that registers people, shared and renewed ahead of its end. */
export interface ServiceToken {
  readonly get: () => Promise<string>
  /** Forgets a token that Keycloak did not take, so that the next `get` asks for another. */
  readonly forget: (token: string) => void
}

interface Granted {
  readonly accessToken: string
  readonly expiresInSeconds: number
}

export function createServiceToken(grant: () => Promise<Granted>, now: () => number): ServiceToken {
  let current: { token: string; renewAt: number } | null = null
  let asking: Promise<string> | null = null

  async function ask(): Promise<string> {
    const askedAt = now()
    const { accessToken, expiresInSeconds } = await grant()
    // A fifth of its life ahead: a token must not die on its way to Keycloak.
    current = { token: accessToken, renewAt: askedAt + expiresInSeconds * 800 }
    return accessToken
  }

  return {
    async get() {
      if (current !== null && now() < current.renewAt) return current.token
      asking ??= ask().finally(() => {
        asking = null
      })
      return asking
    },
    forget(token) {
      if (current?.token === token) current = null
    },
  }
}
