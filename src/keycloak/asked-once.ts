import { hash } from "node:crypto"

/** Puts a question about a token to Keycloak, unless the same one is under way or was answered a moment ago. */
export type AskOnce<Answer> = (token: string, exp: unknown, ask: () => Promise<Answer>) => Promise<Answer>

export interface AskedOnceOptions {
  /** 0 remembers nothing. */
  readonly cacheSeconds: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const maxAnswers = 10_000

/**
 * Identical questions that come together are asked once, and share a failure too; answers are remembered for
 * `cacheSeconds`, counted from the question, and never beyond the token's `exp`.
 *
 * Only good answers are remembered: a refused token, an outage or a wrong secret is looked at anew by the next request,
 * so that what was mended works at once and bad tokens can't push out good ones.
 *
 * @see RFC 7662 §4
 */
export function createAskedOnce<Answer>({ cacheSeconds, now }: AskedOnceOptions): AskOnce<Answer> {
  const underWay = new Map<string, Promise<Answer>>()
  // In the order of the questions, and so about in the order in which they grow old.
  const answers = new Map<string, { readonly answer: Answer; readonly askedAt: number; readonly exp: number }>()

  function isGood({ askedAt, exp }: { askedAt: number; exp: number }): boolean {
    const age = now() - askedAt
    // A negative age: the clock was set back.
    return age >= 0 && age < cacheSeconds * 1000 && now() < exp * 1000
  }

  function remember(key: string, answer: Answer, askedAt: number, exp: number): void {
    for (const [oldest, remembered] of answers) {
      if (answers.size < maxAnswers && isGood(remembered)) break
      answers.delete(oldest)
    }
    answers.set(key, { answer, askedAt, exp })
  }

  return (token, exp, ask) => {
    // Of the whole token, signature included, so that another token with the same claims is another question.
    const key = hash("sha256", token, "base64")
    const known = answers.get(key)
    if (known !== undefined && isGood(known)) return Promise.resolve(known.answer)
    const before = underWay.get(key)
    if (before !== undefined) return before

    const askedAt = now()
    const question = ask()
      .then(answer => {
        if (cacheSeconds > 0 && typeof exp === "number") remember(key, answer, askedAt, exp)
        return answer
      })
      .finally(() => underWay.delete(key))
    underWay.set(key, question)
    return question
  }
}
