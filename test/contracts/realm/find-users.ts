import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import type { RealmClient } from "./realm-client.ts"

const brief = (account: Record<string, unknown>) => ({ ...account, id: "…", createdTimestamp: 0 })

export function describeFindUsers(open: OpenRealm): void {
  describe("finding users (keycloak-facts.md, Finding accounts)", () => {
    let realm: RealmClient
    const names = ["anna", "bert", "bertha", "carl"]
    beforeAll(async () => {
      realm = await open("finding", file => {
        file.users = file.users.filter(({ username }) => username.startsWith("service-account-"))
      })
      for (const [index, name] of names.entries()) {
        await realm.createUser(name, {
          firstName: name === "anna" ? "Carla" : "Test",
          createdTimestamp: Date.UTC(2020, 0, 1 + index, 12),
          emailVerified: name === "carl",
          enabled: name !== "bert",
          attributes: { plan: [name === "anna" ? "pro" : "free"] },
          credentials: [],
        })
      }
    })
    const found = async (query: string) =>
      (await realm.admin("GET", `/users?${query}`)).body.map(({ username }: { username: string }) => username)
    const count = async (query: string) => (await realm.admin("GET", `/users/count?${query}`)).body
    const services = ["service-account-gate-admin", "service-account-gate-app"]
    const day = (number: number) => Date.UTC(2020, 0, number)

    const queries: readonly (readonly [query: string, expected: readonly (string | undefined)[]])[] = [
      ["", names],
      ["username=bert&exact=true", ["bert"]],
      ["username=BERT&exact=true", ["bert"]],
      ["username=bert", ["bert", "bertha"]],
      ["username=ert", ["bert", "bertha"]],
      ["email=Anna@example.test&exact=true", ["anna"]],
      ["email=nobody@example.test&exact=true", []],
      ["firstName=carl", ["anna"]],
      ["search=carl", ["anna", "carl"]],
      ["search=arl", []],
      ["search=*arl*", ["anna", "carl"]],
      ["search=b*a", ["bert", "bertha"]],
      ["search=b*tha", ["bertha"]],
      ['search="bert"', ["bert"]],
      ["search=test bert", ["bert", "bertha"]],
      ["search=nobody", []],
      ["search=*", names],
      ["first=1&max=2", ["bert", "bertha"]],
      ["first=3&max=2", ["carl"]],
      ["first=9", []],
      ["max=0", []],
      ["max=-1", names],
      ["enabled=false", ["bert"]],
      ["emailVerified=true", ["carl"]],
      ["q=plan:pro", ["anna"]],
      ["q=plan:pro nope:1", []],
      [`createdAfter=${day(2)}&createdBefore=${day(4)}`, ["bert", "bertha"]],
      ["createdAfter=2020-01-02&createdBefore=2020-01-03", ["bert", "bertha"]],
      [`createdAfter=${day(4)}`, ["carl", ...services]],
      [`search=*&createdAfter=${day(4)}`, ["carl"]],
      ["username=service-account-gate-app&exact=true", [services[1]]],
      ["search=service-account", []],
      ["nonsense=1", names],
      ["exact=true", [...names, ...services]],
    ]
    // Titles are printed, and an e-mail address in what the tests print is a leak.
    const titled = queries.map(([query, expected]) => [query.replace(/@[^&]*/, "@…"), query, expected] as const)
    it.each(titled)("finds users by %s", async (_, query, expected) => {
      expect(await found(encodeURI(query))).toEqual(expected)
      const counted = query.replace(/(first|max)=[^&]*&?/g, "")
      const all = counted === query ? expected.length : names.length
      expect(await count(encodeURI(counted))).toBe(all)
    })

    it("finds users by their ids, several at once", async () => {
      const all = (await realm.admin("GET", "/users")).body
      const ids = all.slice(0, 2).map(({ id }: { id: string }) => id)
      expect(await found(`search=${encodeURIComponent(`id:${ids.join(" ")}`)}`)).toEqual(["anna", "bert"])
      expect(await found(`search=${ids[0]}`)).toEqual([])
      expect(await found("search=id:nope")).toEqual([])
    })

    it("answers two lengths of each, and a page of a hundred by default", async () => {
      const [anna] = (await realm.admin("GET", "/users?username=anna&briefRepresentation=true")).body
      const shared = {
        ...{ id: "…", username: "anna", firstName: "Carla", lastName: "User", email: "anna@example.test" },
        ...{ emailVerified: false, enabled: true, createdTimestamp: 0, access: { manage: true } },
      }
      expect(brief(anna)).toEqual(shared)
      const [whole] = (await realm.admin("GET", "/users?username=anna")).body
      expect(brief(whole)).toEqual({
        ...shared,
        ...{
          attributes: { plan: ["pro"] },
          totp: false,
          disableableCredentialTypes: [],
          requiredActions: [],
          notBefore: 0,
        },
      })
    })

    it.each([
      [
        "createdAfter=x",
        400,
        { error: "Invalid value for 'createdAfter', expected format is yyyy-MM-dd or an Epoch timestamp" },
      ],
      [
        "createdBefore=2020-01-01T00:00:00Z",
        400,
        { error: "Invalid value for 'createdBefore', expected format is yyyy-MM-dd or an Epoch timestamp" },
      ],
      ["first=x", 404, { error: "HTTP 404 Not Found" }],
    ])("refuses the query %s", async (query, status, body) => {
      const answer = await realm.admin("GET", `/users?${query}`)
      expect({ status: answer.status, body: answer.body }).toEqual({ status, body })
    })
  })
}
