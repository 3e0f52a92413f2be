import { hash } from "node:crypto"
import { noAnswer } from "../../keycloak/network-error.js"
import { type Background, orAnew } from "../../keycloak/share.js"

/** Puts a question about a token to Keycloak, unless one that is still to be sent, or a recent answer, serves as well. */
export type AskOnce<Answer> = (token: string, exp: unknown, ask: () => Promise<Answer>) => Promise<Answer>

export interface AskedOnceParts {
  /** Who is asked. */
  readonly url: string
  /** 0 remembers nothing. */
  readonly cacheSeconds: number
  /** Of waiting and answer together. */
  readonly timeoutMs: number
  readonly background: Background
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

interface Question<Answer> {
  /** By `elapsed`; null: it waits, and whoever comes may join. */
  sentAt: number | null
  readonly answer: Promise<Answer>
}

const maxAnswers = 10_000

/**
 * Never gives an answer to a question that was sent before the asker came, but for `cacheSeconds`: between the two the
 * session may have ended.
 *
 * So that many who come together cost few questions, there is one about a token at a time. Those who come meanwhile share
 * the next one, a failure included. It is sent when the one before it is answered, or has taken a quarter of the time.
 *
 * Answers are remembered for `cacheSeconds`, counted from the question, and never beyond the token's `exp`. Only good ones
 * are: a refused token, an outage or a wrong secret is looked at anew by the next request, so that what was mended works at
 * once and bad tokens can't push out good ones.
 *
 * @see RFC 7662 §4
 */
export function createAskedOnce<Answer>(parts: AskedOnceParts): AskOnce<Answer> {
  const { url, cacheSeconds, timeoutMs, background, now, elapsed } = parts
  /** The last question about each token, while it waits or is under way. */
  const questions = new Map<string, Question<Answer>>()
  // In the order of the questions, and so about in the order in which they grow old.
  const answers = new Map<string, { readonly answer: Answer; readonly sentAt: number; readonly exp: number }>()

  function isRecent(sentAt: number): boolean {
    const age = elapsed() - sentAt
    return age >= 0 && age < cacheSeconds * 1000
  }

  function isGood({ sentAt, exp }: { sentAt: number; exp: number }): boolean {
    return isRecent(sentAt) && now() < exp * 1000
  }

  function remember(key: string, answer: Answer, sentAt: number, exp: number): void {
    for (const [oldest, remembered] of answers) {
      if (answers.size < maxAnswers && isGood(remembered)) break
      answers.delete(oldest)
    }
    answers.set(key, { answer, sentAt, exp })
  }

  /** Hands `send` its turn, in a moment at the earliest, so that those who come at once can join. */
  function inTurn(before: Question<Answer> | undefined, send: () => Promise<Answer>): Promise<Answer> {
    if (before === undefined) return Promise.resolve().then(send)
    return new Promise((resolve, reject) => {
      const impatient = setTimeout(take, timeoutMs / 4)
      const late = setTimeout(() => reject(noAnswer(url, `no answer within ${timeoutMs} ms`)), timeoutMs)
      let wasTaken = false
      function take(): void {
        if (wasTaken) return
        wasTaken = true
        clearTimeout(impatient)
        send()
          .then(resolve, reject)
          .finally(() => clearTimeout(late))
      }
      before.answer.then(take, take)
    })
  }

  const askOnce: AskOnce<Answer> = (token, exp, ask) => {
    // Of the whole token, signature included, so that another token with the same claims is another question.
    const key = hash("sha256", token, "base64")
    const known = answers.get(key)
    if (known !== undefined && isGood(known)) return Promise.resolve(known.answer)
    const last = questions.get(key)
    if (last !== undefined && (last.sentAt === null || isRecent(last.sentAt))) {
      return orAnew(last.answer, timeoutMs, () => {
        if (questions.get(key) === last) questions.delete(key)
        return askOnce(token, exp, ask)
      })
    }

    const send = async () => {
      const sentAt = elapsed()
      question.sentAt = sentAt
      const answer = await ask()
      if (cacheSeconds > 0 && typeof exp === "number") remember(key, answer, sentAt, exp)
      return answer
    }
    const answer = inTurn(last, send).finally(() => {
      if (questions.get(key) === question) questions.delete(key)
    })
    const question: Question<Answer> = { sentAt: null, answer }
    questions.set(key, question)
    background(answer)
    return answer
  }
  return askOnce
}
