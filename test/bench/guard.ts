import { tampered } from "./bad-tokens.ts"
import { type Spread, spreadOf } from "./median.ts"
import { type OwnProcess, startOwnProcess } from "./own-process.ts"
import { type Bounds, roundsWithin } from "./rounds.ts"
import { openTokens } from "./token-set.ts"

export const frameworks = ["express", "fastify", "koa"] as const

/** One guard on one framework. */
export interface GuardScenario {
  readonly name: string
  readonly framework: (typeof frameworks)[number]
  /** File and export of its `MakeApplication`. */
  readonly module: string
  readonly makes: string
  /** How often it takes its turn in each round: what takes little needs many, to be told from the noise. */
  readonly turns: number
  /** What takes a part of the work and lets everybody in. */
  readonly isOpen?: true
}

/** Microseconds of the server's main thread per request. */
export interface GuardResult extends GuardScenario {
  readonly withoutGuard: Spread
  /** With the guard minus without it, round by round. */
  readonly added: Spread
}

const tokenCount = 5000
// Few, so that what disturbs the machine disturbs both turns of a pair.
const requestsPerTurn = 1600

/** Measures these guards over HTTP in rounds: in each, every server is loaded without its guard and with it. */
export async function measureGuards(scenarios: readonly GuardScenario[], bounds: Bounds): Promise<GuardResult[]> {
  const loader = await startOwnProcess("load-process.ts", { tokenCount })
  const servers: OwnProcess[] = []
  try {
    for (const scenario of scenarios) {
      const server = await startOwnProcess("guard-process.ts", scenario)
      servers.push(server)
      const [open = 0, guarded = 0] = server.said as number[]
      if (!scenario.isOpen) await proveGuard(scenario.name, guarded)
      // Twice the tokens: the first time each is new.
      for (const port of [open, guarded]) await loader.ask({ port, count: 2 * tokenCount })
    }
    // Nobody's first rounds count: some are quicker when the machine has just begun.
    for (const [index, server] of servers.entries()) await measurePair(server, loader, index)
    const measured: { withoutGuard: number; added: number }[][] = scenarios.map(() => [])
    for (const round of roundsWithin(bounds)) {
      for (const [index, server] of servers.entries()) {
        await server.ask("collect garbage")
        for (let turn = 0; turn < (scenarios[index]?.turns ?? 0); turn++) {
          measured[index]?.push(await measurePair(server, loader, round + turn))
        }
      }
    }
    return scenarios.map((scenario, index) => ({
      ...scenario,
      withoutGuard: spreadOf((measured[index] ?? []).map(one => one.withoutGuard)),
      added: spreadOf((measured[index] ?? []).map(one => one.added)),
    }))
  } finally {
    for (const { stop } of [loader, ...servers]) stop()
  }
}

async function measurePair(server: OwnProcess, loader: OwnProcess, count: number) {
  const ports = server.said as number[]
  const turns: number[] = []
  // Who goes first changes.
  for (const which of count % 2 === 0 ? [0, 1] : [1, 0]) {
    turns[which] = await mainThreadPerRequest(server, loader, ports[which] as number)
  }
  const [withoutGuard = 0, withGuard = 0] = turns
  return { withoutGuard, added: withGuard - withoutGuard }
}

async function mainThreadPerRequest(server: OwnProcess, loader: OwnProcess, port: number): Promise<number> {
  const before = (await server.ask("time")) as { main: number }
  await loader.ask({ port, count: requestsPerTurn })
  const after = (await server.ask("time")) as { main: number }
  return (after.main - before.main) / requestsPerTurn
}

/** A guard that is measured lets a good token in and nothing else. */
async function proveGuard(name: string, port: number): Promise<void> {
  const tokens = openTokens("RS256", 1)
  const url = `http://127.0.0.1:${port}/me`
  const statusOf = async (headers: Record<string, string>) => (await fetch(url, { headers })).status
  const status = await statusOf({ authorization: tokens.authorization(0) })
  if (status !== 200) throw new Error(`${name} answers a good token with ${status}`)
  for (const [what, token] of Object.entries({ ...tampered(tokens), ...tokens.bad })) {
    const status = await statusOf({ authorization: token })
    if (status < 400) throw new Error(`${name} answers a token ${what} with ${status}`)
  }
  if ((await statusOf({})) < 400) throw new Error(`${name} lets a request without a token in`)
}
