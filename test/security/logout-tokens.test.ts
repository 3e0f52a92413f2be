import { generateKeyPairSync, randomUUID } from "node:crypto"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent } from "../../src/index.js"
import { type Listening, listen } from "../adapters/listen.js"
import { createClient } from "../contracts/adapter.js"
import { type Issuer, newKey, startIssuer } from "../support/issuer.ts"
import { logoutServer } from "../support/logout-server.ts"
import { secretsIn } from "../support/refusal-of.ts"
import { encode, signByHand } from "../support/sign-by-hand.ts"

type Members = Readonly<Record<string, unknown>>

const member = "http://schemas.openid.net/event/backchannel-logout"
const session = "a-session-of-adas"
const subject = "5f0a2f6e-6d6f-4b0e-9a53-0d0a4c1f2b11"
const seconds = () => Math.floor(Date.now() / 1000)

let issuer: Issuer
let gate: Gate<null>
let server: Listening
let events: GateEvent[]
/** Tokens of that very session and person, one remembered and one that is new with each look. */
let remembered: string

beforeAll(async () => {
  issuer = await startIssuer()
  gate = createGate({
    serverUrl: issuer.url,
    realm: "shop",
    clientId: "shop-api",
    onEvent: event => events.push(event),
  })
  server = await listen(logoutServer(gate, { clients: ["shop-web", "shop-app"] }))
  remembered = await issuer.mint({ claims: { sid: session, sub: subject, iat: seconds() - 20 } })
})
beforeEach(() => {
  events = []
})
afterAll(async () => {
  await gate.close()
  await server.close()
  await issuer.close()
})

function claims(more: Members = {}): Members {
  return {
    exp: seconds() + 120,
    iat: seconds(),
    jti: randomUUID(),
    iss: issuer.issuer,
    aud: "shop-web",
    sub: subject,
    typ: "Logout",
    sid: session,
    events: { [member]: {} },
    ...more,
  }
}

/** Signed by the realm's own key. */
function signed(payload: Members | string = claims(), header: Members = {}): string {
  const { kid, alg, privateKey } = issuer.signingKey()
  return signByHand({ alg, typ: "logout+jwt", kid, ...header }, payload, alg, privateKey)
}

async function send(logoutToken: string) {
  const form = new URLSearchParams({ logout_token: logoutToken }).toString()
  return createClient(server.url).send("POST", "/", { form })
}

async function lives(): Promise<boolean> {
  const fresh = await issuer.mint({ claims: { sid: session, sub: subject, iat: seconds() - 20 } })
  const looks = [remembered, fresh].map(token => gate.verifyBearer(`Bearer ${token}`))
  return (await Promise.allSettled(looks)).every(({ status }) => status === "fulfilled")
}

const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
const header = (more: Members): [string, () => string] => [JSON.stringify(more), () => signed(claims(), more)]
const without = (name: string): Members => ({ [name]: undefined })
const payload = (more: Members): [string, () => string] => [
  JSON.stringify(more, (_, value) => (value === undefined ? "(absent)" : value)),
  () => signed(claims(more)),
]

const forged: Readonly<Record<string, readonly (readonly [string, () => string | Promise<string>])[]>> = {
  "by its header": [
    header({ typ: undefined }),
    header({ typ: "JWT" }),
    header({ typ: "at+jwt" }),
    header({ typ: "secevent+jwt" }),
    header({ typ: "logout" }),
    header({ typ: "application/jwt" }),
    header({ typ: 7 }),
    header({ typ: ["logout+jwt"] }),
    header({ kid: undefined }),
    header({ kid: "" }),
    header({ kid: 5 }),
    header({ kid: "x".repeat(300) }),
    header({ crit: ["exp"] }),
    header({ b64: false }),
    header({ zip: "DEF" }),
    header({ cty: "JWT" }),
    header({ alg: undefined }),
    header({ alg: "RS1" }),
    header({ alg: "PS256" }),
    header({ alg: "ES256" }),
    header({ alg: "rs256" }),
    header({ alg: ["RS256"] }),
  ],
  "by its signature": [
    [
      "none (RFC 8725 §3.1, CVE-2026-18569)",
      () => `${encode({ alg: "none", typ: "logout+jwt" })}.${encode(claims())}.`,
    ],
    ["nOnE", () => `${encode({ alg: "nOnE", typ: "logout+jwt", kid: issuer.kid() })}.${encode(claims())}.`],
    ["cut off", () => signed().replace(/[^.]+$/, "")],
    ["of another logout token", () => `${signed().replace(/\.[^.]+$/, "")}.${signed().split(".")[2]}`],
    ["of an access token", async () => `${signed().replace(/\.[^.]+$/, "")}.${(await issuer.mint()).split(".")[2]}`],
    ["by a stranger, under the realm's key id", () => signByHand(head(), claims(), "RS256", stranger)],
    [
      "by a stranger, under a key id of theirs",
      () => signByHand({ ...head(), kid: "theirs" }, claims(), "RS256", stranger),
    ],
    [
      "by a stranger, with the key in it (jwk)",
      () => signByHand({ ...head(), kid: "jwk", jwk: jwkOf() }, claims(), "RS256", stranger),
    ],
    [
      "by a stranger, with an address of the key (jku)",
      () => signByHand({ ...head(), kid: "jku", jku: `${issuer.url}/keys` }, claims(), "RS256", stranger),
    ],
    [
      "HS256 with the realm's public key (RFC 8725 §2.1)",
      () => signByHand({ ...head(), alg: "HS256" }, claims(), "HS256", publicKey()),
    ],
    ["HS512 with an empty secret", () => signByHand({ ...head(), alg: "HS512" }, claims(), "HS512", "")],
    [
      "by a key of another kind",
      async () => signByHand({ ...head(), alg: "ES256" }, claims(), "ES256", (await newKey("ES256")).privateKey),
    ],
  ],
  "by its shape": [
    ["nothing but dots", () => ".."],
    ["one part", () => "logout"],
    ["four parts", () => `${signed()}.x`],
    ["an encrypted one", () => "a.b.c.d.e"],
    ["not base64url", () => `${signed().slice(0, -1)}!`],
    ["base64 padding", () => `${signed()}=`],
    ["a payload that is a list", () => signed("[]")],
    ["a payload that is no JSON", () => signed("logout")],
    ["null", () => signed("null")],
    ["a header that names its algorithm twice", () => twice()],
    ["longer than maxTokenBytes", () => signed(claims({ padding: "x".repeat(9300) }))],
  ],
  "by its issuer and audience": [
    payload(without("iss")),
    payload({ iss: "https://sso.example.test/realms/shop" }),
    ["another realm", () => signed(claims({ iss: `${issuer.url}/realms/other` }))],
    ["a slash more", () => signed(claims({ iss: `${issuer.issuer}/` }))],
    ["the issuer in a list", () => signed(claims({ iss: [issuer.issuer] }))],
    payload(without("aud")),
    payload({ aud: "shop-api" }),
    payload({ aud: "SHOP-WEB" }),
    payload({ aud: "" }),
    payload({ aud: [] }),
    payload({ aud: ["other"] }),
    payload({ aud: ["shop-web", 7] }),
    payload({ aud: { "shop-web": true } }),
    payload({ aud: null }),
  ],
  "by its times": [
    payload(without("exp")),
    payload({ exp: null }),
    payload({ exp: "2026" }),
    payload({ exp: 0 }),
    ["expired", () => signed(claims({ exp: seconds() - 6 }))],
    payload(without("iat")),
    payload({ iat: "now" }),
    payload({ iat: -1 }),
    ["issued in the future", () => signed(claims({ iat: seconds() + 60 }))],
    ["not valid yet", () => signed(claims({ nbf: seconds() + 60 }))],
    payload({ nbf: "later" }),
  ],
  "by its events": [
    payload(without("events")),
    payload({ events: null }),
    payload({ events: member }),
    payload({ events: [member] }),
    payload({ events: [{ [member]: {} }] }),
    payload({ events: {} }),
    payload({ events: { [`${member}/`]: {} } }),
    payload({ events: { "http://schemas.openid.net/event/frontchannel-logout": {} } }),
    payload({ events: { [member]: null } }),
    payload({ events: { [member]: true } }),
    payload({ events: { [member]: [] } }),
    payload({ events: { [member]: "{}" } }),
  ],
  "by whom it names": [
    payload({ sub: undefined, sid: undefined }),
    payload({ sid: "" }),
    payload({ sid: 7 }),
    payload({ sid: null }),
    payload({ sid: [session] }),
    payload({ sid: "x".repeat(256) }),
    payload({ sid: "a\nb" }),
    payload({ sub: "" }),
    payload({ sub: 7, sid: undefined }),
    payload({ sub: null }),
    payload({ sub: { id: subject } }),
  ],
  "by what no logout token has, or each has": [
    payload({ nonce: "n-0S6_WzA2Mj" }),
    payload({ nonce: "" }),
    payload({ nonce: null }),
    payload({ typ: "ID" }),
    payload({ typ: "Bearer" }),
    payload({ typ: "Refresh" }),
    payload(without("jti")),
    payload({ jti: "" }),
    payload({ jti: 7 }),
    payload({ jti: null }),
    ["an access token", () => issuer.mint({ claims: { sid: session, sub: subject, aud: "shop-web" } })],
    ["an ID token", () => signed(claims({ typ: "ID", nonce: "n", events: undefined }), { typ: "JWT" })],
    [
      "an access token with a logout token's header",
      () => signed(issuer.claims({ sid: session, aud: "shop-web" }), {}),
    ],
  ],
}

const head = () => ({ alg: "RS256", typ: "logout+jwt", kid: issuer.kid() })
const jwkOf = () => stranger.export({ format: "jwk" })
const publicKey = () => issuer.signingKey().publicKey.export({ type: "spki", format: "pem" }).toString()
function twice(): string {
  const { kid, privateKey } = issuer.signingKey()
  return signByHand(`{"alg":"none","alg":"RS256","typ":"logout+jwt","kid":"${kid}"}`, claims(), "RS256", privateKey)
}

describe.each(Object.entries(forged))("a logout token that is forged or odd %s", (_, kinds) => {
  it.each(kinds)("ends nothing: %s", async (_name, make) => {
    const answer = await send(await make())
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request" } })
    expect(answer.headers["cache-control"]).toBe("no-store")
    expect(answer.headers["www-authenticate"]).toBeUndefined()
    expect(await lives()).toBe(true)
    expect(events.every(({ type }) => type === "refusal")).toBe(true)
    expect(secretsIn(events)).toEqual([])
  })
})

describe("forged logout tokens", () => {
  it("have no more keys fetched than the budget that all tokens share", async () => {
    const fetches = () => issuer.requests(/certs$/)
    const before = fetches()
    for (let n = 0; n < 200; n++) await send(signByHand({ ...head(), kid: `k-${n}` }, claims(), "RS256", stranger))
    expect(fetches() - before).toBeLessThanOrEqual(5)
    expect(await lives()).toBe(true)
  })

  it("that only Keycloak could check are told once, with what mends it", async () => {
    const fresh = createGate({
      serverUrl: issuer.url,
      realm: "shop",
      clientId: "shop-web",
      onEvent: event => events.push(event),
    })
    const own = await listen(logoutServer(fresh))
    const form = () =>
      new URLSearchParams({ logout_token: signByHand({ ...head(), alg: "HS256" }, claims(), "HS256", "x") })
    for (let n = 0; n < 3; n++) {
      const answer = await createClient(own.url).send("POST", "/", { form: form().toString() })
      expect(answer.status).toBe(400)
    }
    expect(events).toMatchObject([{ type: "refusal", error: { code: "invalid_token", reason: "algorithm" } }])
    await fresh.close()
    await own.close()
  })
})

describe("a good logout token", () => {
  /** Each test has a person and sessions of its own. */
  async function people() {
    const [ada, bob] = [randomUUID(), randomUUID()]
    const mint = (sub: string, sid: string, iat = seconds() - 20) => issuer.mint({ claims: { sub, sid, iat } })
    const ids = { one: randomUUID(), other: randomUUID(), bobs: randomUUID() }
    const tokens = [await mint(ada, ids.one), await mint(ada, ids.other), await mint(bob, ids.bobs)]
    const looks = async (all: readonly string[] = tokens) =>
      (await Promise.allSettled(all.map(token => gate.verifyBearer(`Bearer ${token}`)))).map(
        ({ status }) => status === "fulfilled",
      )
    expect(await looks()).toEqual([true, true, true])
    return { ada, ids, mint, looks }
  }

  it("ends the session that it names, also for tokens that are issued later, and no other", async () => {
    const { ada, ids, mint, looks } = await people()
    const answer = await send(signed(claims({ sub: ada, sid: ids.one })))
    expect(answer).toMatchObject({ status: 200, text: "" })
    expect(answer.headers["cache-control"]).toBe("no-store")
    expect(await looks()).toEqual([false, true, true])
    expect(await looks([await mint(ada, ids.one, seconds() + 3), await mint(ada, randomUUID(), seconds())])).toEqual([
      false,
      true,
    ])
  })

  it("ends what its person had until then, where it names no session", async () => {
    const { ada, mint, looks } = await people()
    const iat = seconds() - 3
    expect((await send(signed(claims({ sub: ada, sid: undefined, iat })))).status).toBe(200)
    expect(await looks()).toEqual([false, false, true])
    expect(await looks([await mint(ada, randomUUID(), iat - 1), await mint(ada, randomUUID(), iat + 1)])).toEqual([
      false,
      true,
    ])
    // A public client without the scope `openid` in the token: of that second, nobody can tell.
    expect(await looks([await mint(ada, randomUUID(), iat)])).toEqual([false])
  })

  const spellings: [string, (of: Members) => string][] = [
    ["for one of several audiences", of => signed(claims({ ...of, aud: ["other", "shop-app"] }))],
    ["with the whole media type", of => signed(claims(of), { typ: "application/logout+jwt" })],
    ["in capitals", of => signed(claims(of), { typ: "Logout+JWT" })],
    ["without a subject", of => signed(claims({ ...of, sub: undefined }))],
    ["without Keycloak's own mark", of => signed(claims({ ...of, typ: undefined }))],
    [
      "that ends offline sessions",
      of => signed(claims({ ...of, events: { [member]: {}, revoke_offline_access: true } })),
    ],
    ["with members in its event", of => signed(claims({ ...of, events: { [member]: { reason: "idle" }, other: {} } }))],
    ["within the tolerance of clocks", of => signed(claims({ ...of, iat: seconds() + 3, exp: seconds() - 3 }))],
  ]
  it.each(spellings)("is taken %s", async (_, make) => {
    const { ada, ids, looks } = await people()
    expect((await send(make({ sub: ada, sid: ids.one }))).status).toBe(200)
    expect(await looks()).toEqual([false, true, true])
  })

  it("is taken once", async () => {
    const { ada, ids } = await people()
    const token = signed(claims({ sub: ada, sid: ids.one }))
    const sameId = signed(
      claims({
        sub: ada,
        sid: ids.other,
        jti: JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).jti,
      }),
    )
    const together = await Promise.all([send(token), send(token), send(token)])
    expect(together.map(({ status }) => status).sort()).toEqual([200, 400, 400])
    expect((await send(token)).status).toBe(400)
    expect((await send(sameId)).status).toBe(400)
  })

  it("signed by a new key of the realm is taken at once", async () => {
    // Those before have used up what one gate may look for.
    const fresh = createGate({ serverUrl: issuer.url, realm: "shop", clientId: "shop-web", audience: "shop-api" })
    const own = await listen(logoutServer(fresh))
    await fresh.verifyToken(remembered)
    await issuer.rotate("ES256")
    const form = new URLSearchParams({ logout_token: signed() }).toString()
    expect((await createClient(own.url).send("POST", "/", { form })).status).toBe(200)
    await fresh.close()
    await own.close()
  })
})
