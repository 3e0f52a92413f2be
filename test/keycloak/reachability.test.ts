import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { GateError } from "../../src/errors.js"
import type { Endpoint, GateEvent } from "../../src/events.js"
import { type Attempt, createReachability } from "../../src/keycloak/reachability.js"

const timeoutMs = 5000

function world() {
  const clock = { ms: 1_000_000 }
  const events: GateEvent[] = []
  const reachability = createReachability({
    tell: event => events.push(event),
    timeoutMs,
    now: () => clock.ms,
    elapsed: () => clock.ms,
  })
  const told = () =>
    events.map(event => (event.type === "keycloak_down" ? `down ${event.endpoints.join(" ")}` : event.type.slice(9)))
  return { clock, events, reachability, told }
}

const outage = () => new GateError("keycloak_unavailable", "no answer")

/** `A>keys` sends a request, `A ok`, `A lost`, `A late` and `A bad` end it, `+60` lets seconds pass. */
function play(story: string) {
  const it = world()
  const attempts = new Map<string, Attempt>()
  for (const step of story.split(", ")) {
    const [, name = "", endpoint] = /^(\w+)>(\w+)$/.exec(step) ?? []
    const [who = "", how] = step.split(" ")
    if (step.startsWith("+")) it.clock.ms += Number(step.slice(1)) * 1000
    else if (endpoint !== undefined) attempts.set(name, it.reachability.sent(endpoint as Endpoint))
    else if (how === "ok") attempts.get(who)?.answered()
    else attempts.get(who)?.failed(how as "late" | "lost" | "bad" | "odd", outage())
  }
  return it
}

describe("the states of Keycloak", () => {
  it.each([
    ["nothing is told while it answers", "A>keys, A ok, B>token, B ok", []],
    ["the first failure begins an outage", "A>keys, A lost", ["down keys"]],
    ["an outage is told once, whatever else fails", "A>keys, A lost, B>token, B bad, C>keys, C lost", ["down keys"]],
    ["an answer ends it", "A>keys, A lost, B>keys, B ok", ["down keys", "up"]],
    [
      "the second outage is told like the first",
      "A>keys, A lost, B>keys, B ok, C>keys, C bad",
      ["down keys", "up", "down keys"],
    ],
    ["any answer ends a silence", "A>keys, A lost, B>token, B ok", ["down keys", "up"]],
    ["an answer to what was sent before the failure ends nothing", "A>keys, B>token, A lost, B ok", ["down keys"]],
    [
      "what was sent before the end and fails after it begins nothing",
      "A>keys, B>keys, C>token, A lost, D>keys, D ok, B lost, C bad",
      ["down keys", "up"],
    ],
    ["one lost request among answered ones is no outage", "A>keys, B>keys, B ok, A lost", []],
    ["bad answers of one endpoint are ended by none of another", "A>admin, A bad, B>keys, B ok", ["down admin"]],
    [
      "bad answers of one endpoint are ended by its own",
      "A>admin, A bad, B>keys, B ok, C>admin, C ok",
      ["down admin", "up"],
    ],
    ["an odd error or two are no outage", "A>admin, A odd, B>admin, B odd, C>admin, C ok, D>admin, D odd", []],
    [
      "three odd errors in a row are one",
      "A>admin, A odd, B>admin, B odd, C>keys, C ok, D>admin, D odd",
      ["down admin"],
    ],
    [
      "odd errors go on with an outage that bad answers began",
      "A>admin, A bad, B>admin, B odd, C>keys, C ok",
      ["down admin"],
    ],
    [
      "bad answers of an endpoint that nobody asks for a minute are forgotten",
      "A>admin, A bad, B>keys, B ok, +61, C>keys, C ok",
      ["down admin", "up"],
    ],
    [
      "an endpoint that is still asked is not forgotten",
      "A>admin, A bad, +50, B>admin, +20, C>keys, C ok",
      ["down admin"],
    ],
    [
      "bad answers of all endpoints are over when one of them answers",
      "A>admin, A bad, B>token, B bad, C>token, C ok",
      ["down admin", "up"],
    ],
    [
      "an endpoint that hangs while others answer is ended by none of theirs",
      "A>introspection, B>token, B ok, +5, A late, C>token, C ok",
      ["down introspection"],
    ],
    [
      "an endpoint that goes on hanging after the answer of another is told once more, and then ends by itself",
      "A>introspection, A lost, B>token, B ok, C>introspection, C lost, D>token, D ok, E>introspection, E ok",
      ["down introspection", "up", "down introspection", "up"],
    ],
    [
      "an endpoint that hung first is back with the others, when all of Keycloak was lost",
      "A>introspection, B>token, B ok, A lost, C>token, C lost, D>token, D ok",
      ["down introspection", "up"],
    ],
  ])("%s", (_, story, told) => {
    expect(play(story).told()).toEqual(told)
  })

  it("tells since when, for how long and how many calls were refused", () => {
    const { reachability, clock, events } = world()
    const error = outage()
    const since = new Date(clock.ms)
    reachability.countRefused() // of before
    reachability.sent("token").failed("lost", error)
    expect(events).toEqual([{ type: "keycloak_down", endpoints: ["token"], since, error }])
    for (let calls = 0; calls < 3; calls++) reachability.countRefused()
    clock.ms += 12_340
    reachability.sent("token").answered()
    expect(events[1]).toEqual({ type: "keycloak_up", downSince: since, downSeconds: 12.34, refused: 3 })
  })

  it("is unknown before anything was asked, and then has a date", () => {
    const { reachability, clock } = world()
    expect(reachability.state()).toEqual({ keycloak: "unknown", since: null })
    const first = new Date(clock.ms)
    reachability.sent("keys").answered()
    clock.ms += 1000
    reachability.sent("keys").answered()
    expect(reachability.state()).toEqual({ keycloak: "up", since: first })
    clock.ms += 1000
    reachability.sent("keys").failed("bad", outage())
    expect(reachability.state()).toEqual({ keycloak: "down", since: new Date(clock.ms) })
    clock.ms += 1000
    reachability.sent("keys").answered()
    expect(reachability.state()).toEqual({ keycloak: "up", since: new Date(clock.ms) })
  })

  it("is told a few times by a Keycloak of which every second answer is bad, and then stays down until it is calm", () => {
    const { reachability, clock, events } = world()
    for (let request = 0; request < 1000; request++) {
      clock.ms += 500
      const attempt = reachability.sent("introspection")
      if (request % 2 === 0) attempt.failed("bad", outage())
      else attempt.answered()
    }
    expect(events.length).toBeLessThan(10)
    expect(reachability.state().keycloak).toBe("down")
    for (let seconds = 0; seconds < 301; seconds++) {
      clock.ms += 1000
      reachability.sent("introspection").answered()
    }
    expect(reachability.state().keycloak).toBe("up")
  })

  it("explains errors of an outage, also those that come after its end, and no others", () => {
    const { reachability } = world()
    const [during, late, alone] = [outage(), outage(), outage()]
    const [first, second] = [reachability.sent("token"), reachability.sent("keys")]
    expect(reachability.explains(during)).toBe(false)
    first.failed("lost", during)
    expect(reachability.explains(outage())).toBe(true)
    reachability.sent("token").answered()
    second.failed("lost", late)
    expect([during, late, alone].map(reachability.explains)).toEqual([true, true, false])
    expect(reachability.explains(new GateError("keycloak_unavailable", "the mail", { cause: late }))).toBe(true)
    expect(reachability.explains(new GateError("invalid_token", "bad", { cause: late }))).toBe(false)
  })

  it("knows for a while that an endpoint hangs, and others with it unless they answer", () => {
    const { reachability, clock } = world()
    reachability.sent("admin").failed("bad", outage())
    reachability.sent("admin").failed("lost", outage())
    expect(reachability.hangs("admin")).toBe(false)
    reachability.sent("token").failed("late", outage())
    expect([reachability.hangs("token"), reachability.hangs("keys")]).toEqual([true, true])
    clock.ms += timeoutMs
    expect(reachability.hangs("token")).toBe(false)
    reachability.sent("token").failed("late", outage())
    reachability.sent("keys").answered()
    expect(reachability.hangs("token")).toBe(false)
    reachability.sent("token").failed("late", outage())
    expect([reachability.hangs("token"), reachability.hangs("keys")]).toEqual([true, false])
  })

  const endpoints = ["keys", "token", "introspection", "admin"] as const
  const request = fc.record({
    endpoint: fc.constantFrom(...endpoints),
    sentAtMs: fc.integer({ min: 0, max: 60_000 }),
    takesMs: fc.integer({ min: 1, max: timeoutMs }),
  })

  it("tells one outage at most once, and its end at most once, however its requests are spread", () => {
    const [downAt, backAt] = [20_000, 40_000]
    fc.assert(
      fc.property(fc.array(request, { maxLength: 60 }), requests => {
        const { reachability, clock, told } = world()
        const steps = requests.flatMap(({ endpoint, sentAtMs, takesMs }) => {
          const endsAt = sentAtMs + takesMs
          const isLost = sentAtMs < backAt && endsAt > downAt
          let attempt: Attempt
          const end = () => (isLost ? attempt.failed("lost", outage()) : attempt.answered())
          return [
            { at: sentAtMs, run: () => (attempt = reachability.sent(endpoint)) },
            { at: endsAt, run: end },
          ]
        })
        for (const { at, run } of steps.sort((one, other) => one.at - other.at)) {
          clock.ms = at
          run()
        }
        for (const endpoint of endpoints) reachability.sent(endpoint).answered()
        const isOutage = requests.some(({ sentAtMs, takesMs }) => sentAtMs < backAt && sentAtMs + takesMs > downAt)
        expect(told().map(one => one.split(" ")[0])).toEqual(isOutage && told().length > 0 ? ["down", "up"] : [])
        expect(reachability.state().keycloak).toBe("up")
      }),
    )
  })

  it("tells beginnings and ends in turns, whatever happens, and ends when all answer", () => {
    const step = fc.record({
      endpoint: fc.constantFrom(...endpoints),
      how: fc.constantFrom("answered", "late", "lost", "bad", "odd"),
      inFlight: fc.integer({ min: 0, max: 5 }),
      seconds: fc.integer({ min: 0, max: 90 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const { reachability, clock, told } = world()
        const underWay: Attempt[] = []
        for (const { endpoint, how, inFlight, seconds } of steps) {
          clock.ms += seconds * 1000
          underWay.push(reachability.sent(endpoint))
          const attempt = underWay.splice(Math.min(inFlight, underWay.length - 1), 1)[0]
          if (how === "answered") attempt?.answered()
          else attempt?.failed(how as "late" | "lost" | "bad" | "odd", outage())
        }
        clock.ms += 300_000
        for (const endpoint of [...endpoints, ...endpoints]) reachability.sent(endpoint).answered()
        expect(reachability.state().keycloak).not.toBe("down")
        const kinds = told().map(one => one.split(" ")[0])
        expect(kinds).toEqual(kinds.map((_, index) => (index % 2 === 0 ? "down" : "up")))
      }),
    )
  })
})
