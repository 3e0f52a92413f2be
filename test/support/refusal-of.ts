import { inspect } from "node:util"
import { expect } from "vitest"
import type { GateError } from "../../src/index.js"

/** Whatever these tests use as a secret of a person or of the application. */
export const secrets = {
  password: "Difference-Engine-1822!",
  email: "ada.lovelace@example.test",
  clientSecrets: ["client-secret-of-the-shop", "gate-secret"],
} as const

/** What this promise is refused with; whichever test makes an error, it must hold no secret. */
export async function refusalOf(work: Promise<unknown>): Promise<GateError> {
  const error = await work.then(
    () => expect.unreachable("it was accepted"),
    (reason: unknown) => reason,
  )
  expect(secretsIn(error)).toEqual([])
  return error as GateError
}

/** The kinds of secrets in anything that a log could make of a value; never the secrets, since this is printed. */
export function secretsIn(value: unknown, more: Readonly<Record<string, string>> = {}): string[] {
  const text = everythingIn(value)
  const kinds: [string, boolean][] = [
    ["a password", text.includes(secrets.password)],
    ["an e-mail address", text.includes(secrets.email) || /[\w.+-]+@example\.test/i.test(text)],
    ["a client secret", secrets.clientSecrets.flatMap(spellings).some(spelling => text.includes(spelling))],
    ["a token", /eyJ[\w-]{5,}\.?/.test(text)],
    ["an authorization header", /\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{16,}/.test(text)],
    ...Object.entries(more).map(([kind, secret]): [string, boolean] => [kind, text.includes(secret)]),
  ]
  return kinds.filter(([, isThere]) => isThere).map(([kind]) => kind)
}

/** As it is, and inside Basic credentials, whose base64 depends on where the secret starts. */
function spellings(secret: string): string[] {
  const inBase64 = ["", "x", "xx"].map(before => Buffer.from(before + secret).toString("base64"))
  return [secret, ...inBase64.map(text => text.slice(4, -4))]
}

function everythingIn(value: unknown): string {
  const texts = [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null }),
  ]
  const seen = new Set<unknown>()
  const queue: unknown[] = [value]
  while (queue.length > 0) {
    const one = queue.pop()
    if (seen.has(one)) continue
    seen.add(one)
    texts.push(String(one), JSON.stringify(one) ?? "")
    if (!(one instanceof Error)) continue
    texts.push(one.message, one.stack ?? "", String(one))
    queue.push(one.cause, ...(one instanceof AggregateError ? one.errors : []))
  }
  return texts.join("\n")
}
