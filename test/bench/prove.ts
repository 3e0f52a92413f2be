import { tampered } from "./bad-tokens.ts"
import type { Contestant } from "./contestants/contestant.ts"
import type { TokenSet } from "./token-set.ts"

/**
 * Whoever is measured accepts a good token and refuses bad ones.
 *
 * @throws {Error} when it does not: its speed would say nothing
 */
export async function prove(contestant: Contestant, tokens: TokenSet): Promise<void> {
  const { checks = "everything" } = contestant
  if (checks === "nothing") return
  const good = tokens.authorization(0)
  const bad = { ...tampered(tokens), ...(checks === "signature" ? {} : tokens.bad) }
  const problem = await refusal(contestant, good)
  if (problem !== null) throw new Error("refuses a good token", { cause: problem })
  for (const [what, authorization] of Object.entries(bad)) {
    if ((await refusal(contestant, authorization)) === null) throw new Error(`accepts a token ${what}`)
  }
}

async function refusal({ verify }: Contestant, authorization: string): Promise<unknown> {
  try {
    return (await verify(authorization)) === false ? "false" : null
  } catch (error) {
    return error
  }
}
