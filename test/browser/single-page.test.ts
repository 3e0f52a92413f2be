import { type BrowserContext, chromium, type Page } from "playwright-core"
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import type { Listening } from "../../examples/application.ts"
import { createApplication } from "../../examples/single-page/app.ts"
import { type OpenStore, openStore } from "../../examples/stores/open-store.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createGate, type Gate, type GateEvent } from "../../src/index.js"
import { closedPort } from "../adapters/listen.js"
import { type RunningKeycloak, startKeycloak } from "../live/keycloak/start.ts"
import { obtainChromium } from "./chromium.ts"
import { shopWithPage } from "./shop-with-page.ts"

const realm = "shop-browser"
const password = "Ada-2026-Lovelace!"
const ended = "Your session has ended."

let keycloak: RunningKeycloak
let browser: Awaited<ReturnType<typeof chromium.launch>>
let store: OpenStore
let gate: Gate<Row>
let app: Listening
const events: GateEvent[] = []

beforeAll(async () => {
  const { executablePath, env } = await obtainChromium()
  const address = await closedPort()
  const { file, secret } = shopWithPage(realm, address)
  keycloak = await startKeycloak({ realms: [file], log: line => console.log(line) })
  browser = await chromium.launch({ executablePath, env: { ...definedOf(process.env), ...env } })
  store = await openStore({})
  const client = { serverUrl: keycloak.url, realm, clientId: "shop-api", clientSecret: secret, timeoutMs: 60_000 }
  gate = createGate({ ...client, userStore: store.userStore, onEvent: event => void events.push(event) })
  const settings = { url: keycloak.url, realm, clientId: "shop-web" }
  app = await createApplication(gate, settings).listen(Number(new URL(address).port))
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
  await gate?.close()
  await store?.close()
  await keycloak?.stop()
})

const definedOf = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

interface Person {
  readonly id: string
  readonly username: string
}
let people = 0
async function newPerson(): Promise<Person> {
  const username = `ada-${++people}`
  const names = { email: `${username}@shop.example`, firstName: "Ada", lastName: "Lovelace" }
  const credentials = [{ type: "password", value: password }]
  const user = { username, enabled: true, ...names, emailVerified: true, credentials }
  const { location } = await keycloak.adminFetch("POST", `/realms/${realm}/users`, user)
  return { id: location?.split("/").pop() ?? "", username }
}

/** A browser of somebody's own: cookies are shared by its tabs, and by nobody else's. */
async function newBrowser(): Promise<BrowserContext> {
  const context = await browser.newContext()
  context.setDefaultTimeout(60_000)
  onTestFinished(() => context.close())
  return context
}

/** Opens the page, which sends the person to Keycloak, and logs in there. */
async function openPage(context: BrowserContext, person: Person): Promise<Page> {
  const page = await context.newPage()
  await page.goto(app.url)
  await logIn(page, person)
  return page
}

async function logIn(page: Page, { username }: Person): Promise<void> {
  await page.locator("#username").fill(username)
  expect(new URL(page.url()).origin).toBe(keycloak.url)
  await page.locator("#password").fill(password)
  await page.locator("#kc-login").click()
  await expectStatus(page, rowOf({ username }))
}

const rowOf = ({ username }: { username: string }) => `You are ${username}, ${username}@shop.example.`
const expectStatus = (page: Page, text: string) => page.getByRole("status").filter({ hasText: text }).waitFor()

/** What the API says to the next request of the page, and the token that it came with. */
async function askAgain(page: Page): Promise<{ status: number; token: string }> {
  const answered = page.waitForResponse(`${app.url}/me`)
  await page.getByRole("button", { name: "Ask again" }).click()
  const answer = await answered
  return { status: answer.status(), token: (await answer.request().headerValue("authorization")) ?? "" }
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

/** The person logs out at Keycloak, in another tab. */
async function logOutAtKeycloak(context: BrowserContext): Promise<void> {
  const tab = await context.newPage()
  await tab.goto(`${keycloak.url}/realms/${realm}/protocol/openid-connect/logout?client_id=shop-web`)
  await tab.locator("#kc-logout").click()
  await tab.getByRole("heading", { name: "You are logged out" }).waitFor()
}

/** Another tab needs no login, since the browser has a session with Keycloak; its button ends that session. */
async function logOutInTab(context: BrowserContext, person: Person): Promise<void> {
  const tab = await context.newPage()
  await tab.goto(app.url)
  await expectStatus(tab, rowOf(person))
  await tab.getByRole("button", { name: "Log out" }).click()
  await tab.locator("#kc-login").waitFor()
}

const ways: [string, (context: BrowserContext, person: Person, sid: string) => Promise<unknown>][] = [
  ["the person logs out at Keycloak in another tab", context => logOutAtKeycloak(context)],
  ["the person logs out with the button of another tab", logOutInTab],
  [
    "an administrator logs the person out",
    (_context, { id }) => keycloak.adminFetch("POST", `/realms/${realm}/users/${id}/logout`),
  ],
  [
    "an administrator deletes the session",
    (_context, _person, sid) => keycloak.adminFetch("DELETE", `/realms/${realm}/sessions/${sid}`),
  ],
]

describe("a page whose people log in at Keycloak", () => {
  beforeEach(() => void events.splice(0))

  it("is sent back with a code, which nobody can use without what only the page knows", async () => {
    const context = await newBrowser()
    const page = await context.newPage()
    const asked = page.waitForRequest(request => request.url().includes("/protocol/openid-connect/auth"))
    const exchanged = page.waitForRequest(request => request.url().endsWith("/protocol/openid-connect/token"))
    await page.goto(app.url)
    const sent = Object.fromEntries(new URL((await asked).url()).searchParams)
    expect(sent).toMatchObject({ response_type: "code", code_challenge_method: "S256", client_id: "shop-web" })
    for (const name of ["state", "nonce", "code_challenge"]) expect(sent[name]?.length).toBeGreaterThan(20)
    await logIn(page, await newPerson())
    const form = new URLSearchParams((await exchanged).postData() ?? "")
    expect(form.get("code_verifier")?.length).toBeGreaterThan(42)
    expect(page.url()).toBe(`${app.url}/`)
    expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0)
  })

  it.each(ways)("gets 401 at its next request when %s; others go on, and so does a new login", async (way, end) => {
    const [ada, bob] = [await newPerson(), await newPerson()]
    const adas = await newBrowser()
    const page = await openPage(adas, ada)
    const bobs = await openPage(await newBrowser(), bob)
    const before = await askAgain(page)
    expect(before.status).toBe(200)
    const { sid, exp } = claimsOf(before.token)

    await end(adas, ada, sid)
    const over = performance.now()
    const after = await askAgain(page)
    const milliseconds = Math.round(performance.now() - over)
    expect(after).toEqual({ status: 401, token: before.token })
    expect(exp).toBeGreaterThan(Date.now() / 1000 + 60)
    expect(events).toContainEqual(
      expect.objectContaining({ type: "refusal", error: expect.objectContaining({ reason: "revoked" }) }),
    )
    await expectStatus(page, ended)
    expect((await askAgain(bobs)).status).toBe(200)
    console.log(`${way}: refused ${milliseconds} ms later, ${Math.round(exp - Date.now() / 1000)} s before its end`)

    await page.getByRole("button", { name: "Log in again" }).click()
    await logIn(page, ada)
    const anew = await askAgain(page)
    expect(anew.status).toBe(200)
    expect(claimsOf(anew.token).sid).not.toBe(sid)
  })

  it("would be served until its token ends where Keycloak has no address to tell", async () => {
    const [client] = (await keycloak.adminFetch("GET", `/realms/${realm}/clients?clientId=shop-web`)).body as [
      { id: string; attributes: Record<string, string> },
    ]
    const path = `/realms/${realm}/clients/${client.id}`
    await keycloak.adminFetch("PUT", path, {
      ...client,
      attributes: { ...client.attributes, "backchannel.logout.url": "" },
    })
    onTestFinished(async () => void (await keycloak.adminFetch("PUT", path, client)))
    const context = await newBrowser()
    const page = await openPage(context, await newPerson())
    await logOutAtKeycloak(context)
    expect((await askAgain(page)).status).toBe(200)
  })
})
