import { describe, expect, it } from "vitest"
import { readAdminEvent, readUserEvent } from "../../../src/sessions/events/event-meaning.js"

const issuer = "https://sso.example.test/realms/shop"
const time = 1_796_000_000_900
const second = 1_796_000_000
const ofSubject = { kind: "subject", issuer, subject: "u-1", before: second, doubtUntil: second }

describe("an event of an administrator", () => {
  const meaningOf = (operationType: string, resourceType: string, resourcePath?: string) =>
    readAdminEvent({ id: "e-1", time, operationType, resourceType, resourcePath }, issuer)?.meaning

  it.each([
    ["DELETE", "users/u-1"],
    ["ACTION", "users/u-1/logout"],
    ["ACTION", "users/u-1/consents/shop-web"],
    ["DELETE", "users/u-1/consents/shop-web"],
  ])("%s %s ends what the person got until then", (operation, path) => {
    expect(meaningOf(operation, "USER", path)).toEqual({ revoke: ofSubject })
  })

  it("ends all of that second with a new password, since Keycloak lets the sessions live", () => {
    expect(meaningOf("ACTION", "USER", "users/u-1/reset-password")).toEqual({
      revoke: { ...ofSubject, before: second + 1 },
    })
  })

  it("asks about a person who was updated", () => {
    const until = { before: second, doubtUntil: second }
    expect(meaningOf("UPDATE", "USER", "users/u-1")).toEqual({ askAbout: "u-1", until })
  })

  it("ends a session by its id", () => {
    expect(meaningOf("DELETE", "USER_SESSION", "sessions/s-1")).toEqual({
      revoke: { kind: "session", issuer, session: "s-1" },
    })
  })

  it.each([
    ["UPDATE", undefined],
    ["ACTION", "push-revocation"],
  ])("asks for the not-before of a realm (%s %s)", (operation, path) => {
    expect(meaningOf(operation, "REALM", path)).toBe("ask not before")
  })

  it.each([
    ["CREATE", "USER", "users/u-1"],
    ["ACTION", "USER", "users/u-1/send-verify-email"],
    ["UPDATE", "USER", "users/u-1/groups"],
    ["DELETE", "USER", "users/u-1/federated-identity/google"],
    ["CREATE", "REALM", undefined],
    ["DELETE", "CLIENT", "clients/c-1"],
    ["DELETE", "USER_SESSION", "something else"],
  ])("means nothing for tokens otherwise (%s %s %s)", (operation, type, path) => {
    expect(meaningOf(operation, type, path)).toBeNull()
  })
})

describe("an event of a person", () => {
  const meaningOf = (members: object) =>
    readUserEvent({ id: "e-1", time, clientId: "shop-web", userId: "u-1", ...members }, issuer)?.meaning

  it.each([
    ["a logout", { type: "LOGOUT", sessionId: "s-1" }, { kind: "session", issuer, session: "s-1" }],
    [
      "a revoked refresh token",
      {
        type: "REVOKE_GRANT",
        sessionId: "s-1",
        details: { refresh_token_type: "Refresh", revoked_client: "shop-app" },
      },
      { kind: "client", issuer, session: "s-1", client: "shop-app" },
    ],
    [
      "a revoked refresh token, without the client",
      { type: "REVOKE_GRANT", sessionId: "s-1", details: { refresh_token_type: "Refresh" } },
      { kind: "client", issuer, session: "s-1", client: "shop-web" },
    ],
    [
      "a revoked access token",
      { type: "REVOKE_GRANT", details: { token_id: "onrtac:1" } },
      { kind: "token", issuer, tokenId: "onrtac:1" },
    ],
    [
      "a consent that was taken back",
      { type: "REVOKE_GRANT", sessionId: "s-1", details: { revoked_client: "x" } },
      ofSubject,
    ],
    ["a logout of no certain session", { type: "LOGOUT" }, ofSubject],
    ["an account that its person deleted", { type: "DELETE_ACCOUNT" }, ofSubject],
    ["an account that is locked for good", { type: "USER_DISABLED_BY_PERMANENT_LOCKOUT" }, ofSubject],
  ])("ends what %s stands for", (_, members, revocation) => {
    expect(meaningOf(members)).toEqual({ revoke: revocation })
  })

  it.each([
    ["a login", { type: "LOGIN", sessionId: "s-1" }],
    ["a deletion of nobody", { type: "DELETE_ACCOUNT", userId: undefined }],
    ["no type", {}],
  ])("means nothing for tokens otherwise: %s", (_, members) => {
    expect(meaningOf(members)).toBeNull()
  })

  it.each([null, "text", 7, [], {}, { time: "now" }, { time: Number.NaN }])(
    "is none where there is no time: %j",
    data => {
      expect([readUserEvent(data, issuer), readAdminEvent(data, issuer)]).toEqual([null, null])
    },
  )

  it("is known again by all of it where it has no id", () => {
    const event = { time, type: "LOGOUT", sessionId: "s-1" }
    expect(readUserEvent(event, issuer)?.id).toBe(readUserEvent({ ...event }, issuer)?.id)
    expect(readUserEvent(event, issuer)?.id).not.toBe(readUserEvent({ ...event, sessionId: "s-2" }, issuer)?.id)
  })
})
