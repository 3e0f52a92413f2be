import { describe, expect, it } from "vitest"
import type { GateError } from "../../src/errors.js"
import type { Endpoint, GateEvent } from "../../src/events.js"
import { createPlaces, type Share } from "../../src/keycloak/places.js"

function open(maxConcurrentRequests: number) {
  const events: GateEvent[] = []
  const hanging = new Set<Endpoint>()
  const places = createPlaces({
    maxConcurrentRequests,
    timeoutMs: 5000,
    hangs: endpoint => hanging.has(endpoint),
    report: event => events.push(event),
    note: () => undefined,
  })
  /** What became of a request, once that is known. */
  function enter(share: Share, { endpoint = "token" as Endpoint, signal = new AbortController().signal } = {}) {
    const request: { outcome: string } = { outcome: "waits" }
    places.enter({ share, endpoint }, signal).then(
      () => {
        request.outcome = "enters"
      },
      (error: GateError) => {
        request.outcome = error.reason ?? error.message
      },
    )
    return request
  }
  return { places, events, hanging, enter }
}

const settled = () => new Promise(resolve => setImmediate(resolve))
const outcomes = async (requests: readonly { readonly outcome: string }[]) => {
  await settled()
  return requests.map(({ outcome }) => outcome)
}

describe("the places of a share", () => {
  it("are as many as the option says, 8 for work beside the requests, and without limit for what all share", async () => {
    const { enter } = open(10)
    const count = async (share: Share) => {
      const requests = Array.from({ length: 100 }, () => enter(share))
      return (await outcomes(requests)).filter(outcome => outcome === "enters").length
    }
    expect(await count("verification")).toBe(10)
    expect(await count("anonymous")).toBe(10)
    expect(await count("accounts")).toBe(10)
    expect(await count("background")).toBe(8)
    expect(await count("own")).toBe(100)
  })

  it("are fewer for work beside the requests where the option is smaller", async () => {
    const { enter } = open(2)
    const requests = Array.from({ length: 3 }, () => enter("background"))
    expect(await outcomes(requests)).toEqual(["enters", "enters", "waits"])
  })

  it("go to those in line in the order in which they came", async () => {
    const { enter, places } = open(1)
    const requests = Array.from({ length: 4 }, () => enter("anonymous"))
    places.leave("anonymous")
    places.leave("anonymous")
    expect(await outcomes(requests)).toEqual(["enters", "enters", "enters", "waits"])
    places.leave("anonymous")
    places.leave("anonymous")
    expect(await outcomes([...requests, enter("anonymous")])).toEqual(Array(5).fill("enters"))
  })

  it("are waited for by 1,000 at most, and the next one is refused at once", async () => {
    const { enter, events } = open(1)
    const requests = Array.from({ length: 1001 }, () => enter("accounts"))
    const tooMany = Array.from({ length: 3 }, () => enter("accounts"))
    expect(await outcomes(tooMany)).toEqual(["overload", "overload", "overload"])
    expect((await outcomes(requests)).filter(outcome => outcome === "waits").length).toBe(1000)
    expect(events).toMatchObject([{ type: "refusal", error: { code: "keycloak_unavailable", reason: "overload" } }])
    expect(await outcomes([enter("verification")])).toEqual(["enters"])
  })

  it("are not given to those who gave up", async () => {
    const { enter, places } = open(1)
    const controller = new AbortController()
    const requests = [enter("anonymous"), enter("anonymous", { signal: controller.signal }), enter("anonymous")]
    controller.abort(new Error("too late"))
    places.leave("anonymous")
    expect(await outcomes(requests)).toEqual(["enters", "too late", "enters"])
  })

  it("are waited for by nobody who asks an endpoint that hangs", async () => {
    const { enter, hanging, places, events } = open(1)
    const requests = [enter("anonymous"), enter("anonymous"), enter("anonymous", { endpoint: "admin" })]
    hanging.add("token")
    places.sendAway()
    expect(await outcomes([...requests, enter("anonymous")])).toEqual(["enters", "overload", "waits", "overload"])
    expect(events).toEqual([])
    places.leave("anonymous")
    places.leave("anonymous")
    expect(await outcomes([...requests, enter("anonymous")])).toEqual(["enters", "overload", "enters", "enters"])
  })

  it("tell an overload once, until somebody need not wait again", async () => {
    const { enter, places, events } = open(1)
    enter("anonymous")
    enter("anonymous")
    places.tooLate("anonymous")
    places.leave("anonymous")
    places.leave("anonymous")
    places.tooLate("anonymous")
    places.tooLate("verification")
    expect(events.length).toBe(2)
    enter("anonymous")
    places.tooLate("anonymous")
    places.tooLate("anonymous")
    expect(events.length).toBe(3)
  })

  it("are shared by registrations and all else that anonymous callers cause", async () => {
    const { enter } = open(1)
    expect(await outcomes([enter("registration"), enter("anonymous")])).toEqual(["enters", "waits"])
  })
})
