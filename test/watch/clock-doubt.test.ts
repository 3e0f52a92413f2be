import { describe, expect, it, vi } from "vitest"
import { clockDoubtful, createClockDoubt } from "../../src/watch/clock-doubt.js"

const token = (name: string, signature = "s") => `header.${name}.${signature}`

function watch() {
  const doubt = vi.fn()
  const { accepted, expired } = createClockDoubt(doubt)
  /** `+` is a token in date, every other letter a token that has expired. */
  const see = (story: string) => {
    for (const one of story) one === "+" ? accepted() : expired(token(one))
    return doubt.mock.calls.length
  }
  return { doubt, see, expired }
}

describe("a clock", () => {
  it.each([
    ["is not doubted for two tokens", "ab", 0],
    ["is doubted for the third token", "abc", 1],
    ["is doubted once for a run of tokens", "abcdefghij", 1],
    ["is doubted once for three that come again and again", "abcabcabc", 1],
    ["is not doubted for one token that comes again and again", "aaaaaaaaaa", 0],
    ["is not doubted for two that come again and again", "abababab", 0],
    ["is doubted for three that come among others", "aabbaac", 1],
    ["is not doubted where another token was accepted in between", "ab+cd+ef+", 0],
    ["is doubted anew after one was accepted", "abc+abc", 2],
    ["is doubted once for what follows one accepted token", "+abcdef", 1],
  ])("%s", (_, story, doubts) => {
    expect(watch().see(story)).toBe(doubts)
  })

  it("is not doubted for one token under several signatures", () => {
    const { doubt, expired } = watch()
    for (const signature of "abcdef") expired(token("a", signature))
    expect(doubt).not.toHaveBeenCalled()
    for (const name of "bc") expired(token(name))
    expect(doubt.mock.calls).toEqual([[3]])
  })
})

describe("the error about a clock", () => {
  it.each([
    [0, /Either all callers send old tokens/],
    [-1000, /Either all callers send old tokens/],
    [60_000, /Either all callers send old tokens/],
    [-1001, /is 1 s ahead of Keycloak's/],
    [-3_600_400, /is 3600 s ahead of Keycloak's/],
  ])("names the difference where it is known to be %d ms", (offMs, sentence) => {
    const error = clockDoubtful(3, offMs)
    expect(error).toMatchObject({ code: "invalid_token", reason: "expired" })
    expect(error.message).toMatch(sentence)
    expect(error.message).toMatch(/^3 different tokens.* Compare the clocks.*time synchronisation.*restart\)\.$/)
  })
})
