import { expect, it } from "vitest"
import { runDemo, storyIn } from "../examples/told-story.ts"
import { shopRealm } from "./realms.ts"

const secrets = ["Analytical-1843", "Edith-2026!", shopRealm().secret]

it("the demo tells on the real server, word for word, what it tells on the test realm", {
  timeout: 300_000,
}, async () => {
  const real = await runDemo("--keycloak")
  expect(real.code, real.output.slice(-2000)).toBe(0)
  expect(real.output).toMatch(/^Keycloak {5}Keycloak 26\./m)
  expect(real.output).toMatch(/^Database {5}PostgreSQL at /m)
  for (const secret of secrets) expect(real.output).not.toContain(secret)
  expect(real.output).not.toMatch(/eyJ[\w-]{8,}\./)

  const embedded = await runDemo()
  expect(embedded.code, embedded.output.slice(-2000)).toBe(0)
  // A server that was running before is not stopped, so the story ends where it would go down.
  const isWhole = !process.env.KEYCLOAK_URL
  const steps = isWhole ? 27 : 22
  const [told, expected] = [real, embedded].map(({ output }) => storyIn(output).slice(0, steps))
  const withoutRest = (step = "") => step.split(/ (?:Keycloak goes down|Left out: )/)[0]
  expect(told?.slice(0, -1)).toEqual(expected?.slice(0, -1))
  expect(withoutRest(told?.at(-1))).toBe(withoutRest(expected?.at(-1)))
  expect(told).toHaveLength(steps)
})
