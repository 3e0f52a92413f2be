import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import express, { type Express } from "express"
import express4 from "express4"
import { beforeEach, describe, expect, it, vi } from "vitest"
import type { Carried, Carrier } from "../../src/adapters/guard.js"

const mount = { gate: {}, onError: undefined } as unknown as Carried["mount"]
const carriedFor = (name: string): Carried => ({ mount, principal: { name } as unknown as Carried["principal"] })

let carrier: Carrier<object>
const loadCopy = async () => {
  vi.resetModules()
  return (await import("../../src/adapters/express-carrier.js")).carrier
}
beforeEach(async () => {
  carrier = await loadCopy()
})

type Shown = IncomingMessage & { principal?: unknown }
const plain = (): Shown => new IncomingMessage(new Socket())
const requestOf = (app: Express): Shown => Object.setPrototypeOf(plain(), app.request)

describe.each([
  ["Express 5", express],
  ["Express 4", express4 as unknown as typeof express],
])("what a request of %s carries", (_, framework) => {
  it("is shown as `principal`, and sets nothing on the request", () => {
    const request = requestOf(framework())
    const before = Object.keys(request)
    carrier.set(request, carriedFor("ada"))
    expect(request.principal).toMatchObject({ name: "ada" })
    expect(carrier.get(request)).toMatchObject(carriedFor("ada"))
    expect(Object.keys(request)).toEqual(before)
  })

  it("is its own: another request of the same application has nothing", () => {
    const app = framework()
    carrier.set(requestOf(app), carriedFor("ada"))
    const other = requestOf(app)
    expect([other.principal, carrier.get(other)]).toEqual([undefined, undefined])
  })

  it("stays with it in a mounted application, and is seen by another copy of this library", async () => {
    const [outer, inner] = [framework(), framework()]
    outer.use("/inner", inner)
    const request = requestOf(outer)
    carrier.set(request, carriedFor("ada"))
    Object.setPrototypeOf(request, inner.request)
    const otherCopy = await loadCopy()
    expect(otherCopy.get(request)).toMatchObject(carriedFor("ada"))
    otherCopy.set(request, carriedFor("grace"))
    expect([request.principal, carrier.get(request)]).toMatchObject([{ name: "grace" }, carriedFor("grace")])
  })

  it("takes the place of what the application had put there before", () => {
    const request = requestOf(framework())
    Object.defineProperty(request, "principal", { value: "before", writable: true })
    carrier.set(request, carriedFor("ada"))
    expect(request.principal).toMatchObject({ name: "ada" })
  })

  it("is what the application puts there afterwards, and nothing where no gate was asked", () => {
    const [request, unasked] = [requestOf(framework()), requestOf(framework())]
    carrier.set(request, carriedFor("ada"))
    request.principal = { name: "put there" }
    unasked.principal = { name: "put there" }
    expect(carrier.get(request)).toMatchObject(carriedFor("put there"))
    expect([unasked.principal, carrier.get(unasked)]).toEqual([{ name: "put there" }, undefined])
  })
})

describe("what a request of another server carries", () => {
  it("is a property of it, and Node's own requests stay as they are", () => {
    const request = plain()
    carrier.set(request, carriedFor("ada"))
    expect(request.principal).toMatchObject({ name: "ada" })
    expect(carrier.get(request)).toMatchObject(carriedFor("ada"))
    expect("principal" in IncomingMessage.prototype).toBe(false)
  })
})
