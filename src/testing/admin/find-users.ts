import { type Answer, json, NotKnown } from "../answer.js"
import type { Account } from "../realm/accounts.js"
import type { RealmModel } from "../realm/realm-model.js"

/** Accounts that a query of `users` or `users/count` asks for, or Keycloak's refusal. */
export function findUsers(realm: RealmModel, query: URLSearchParams): readonly Account[] | Answer {
  if (query.has("idpAlias") || query.has("idpUserId")) throw new NotKnown("has no identity providers.")
  const after = time(query, "createdAfter", 0)
  const before = time(query, "createdBefore", 86_400_000 - 1)
  for (const [name, value] of [
    ["createdAfter", after],
    ["createdBefore", before],
  ] as const) {
    const expected = "expected format is yyyy-MM-dd or an Epoch timestamp"
    if (Number.isNaN(value)) return json(400, { error: `Invalid value for '${name}', ${expected}` })
  }
  const isInTime = ({ createdTimestamp }: Account) =>
    (after === null || createdTimestamp >= after) && (before === null || createdTimestamp <= before)
  return realm.accounts.all().filter(account => isInTime(account) && isAskedFor(account, query))
}

/** One page of a list, or the answer to a page number that is none. */
export function pageOf<Item>(
  items: readonly Item[],
  query: URLSearchParams,
  byDefault: number,
): readonly Item[] | Answer {
  const first = Number(query.get("first") ?? 0)
  const max = Number(query.get("max") ?? byDefault)
  if (!Number.isInteger(first) || !Number.isInteger(max)) return json(404, { error: "HTTP 404 Not Found" })
  const from = Math.max(first, 0)
  return items.slice(from, max < 0 ? undefined : from + max)
}

const texts = ["username", "email", "firstName", "lastName"] as const
const filters = [...texts, "emailVerified", "enabled", "exact", "q", "createdAfter", "createdBefore"]

function isAskedFor(account: Account, query: URLSearchParams): boolean {
  const search = query.get("search")
  // Service accounts are found by their data, but they are not in the plain list.
  const isListed = account.serviceAccountOf === null
  if (search !== null) {
    if (search.startsWith("id:")) return search.slice(3).trim().split(/\s+/).includes(account.id)
    return (
      isListed &&
      search
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .every(word => hasWord(account, word))
    )
  }
  if (!filters.some(name => query.has(name))) return isListed
  return hasData(account, query) && hasAttributes(account, query.get("q"))
}

function hasWord(account: Account, word: string): boolean {
  const quoted = /^"(.*)"$/.exec(word)?.[1]
  const pattern = quoted ?? (word.endsWith("*") ? word : `${word}*`)
  const escaped = pattern.toLowerCase().replace(/[.+?^$()|[\]{}\\]/g, "\\$&")
  const form = new RegExp(`^${quoted === undefined ? escaped.replaceAll("*", ".*") : escaped.replaceAll("*", "\\*")}$`)
  return texts.some(name => form.test(account[name]?.toLowerCase() ?? ""))
}

function hasData(account: Account, query: URLSearchParams): boolean {
  const isExact = query.get("exact") === "true"
  const hasText = (name: (typeof texts)[number]) => {
    const asked = query.get(name)?.toLowerCase()
    const value = account[name]?.toLowerCase()
    return asked === undefined || (isExact ? value === asked : value?.includes(asked) === true)
  }
  const hasFlag = (name: "enabled" | "emailVerified") => {
    const asked = query.get(name)
    return asked === null || String(account[name]) === asked
  }
  return texts.every(hasText) && hasFlag("enabled") && hasFlag("emailVerified")
}

function hasAttributes(account: Account, asked: string | null): boolean {
  if (asked === null) return true
  const pairs = asked.split(/\s+/).filter(Boolean)
  return pairs.every(pair => {
    const [name = "", value = ""] = pair.split(":")
    return account.attributes[name]?.includes(value) === true
  })
}

/** Null when not given, NaN when it is no time. */
function time(query: URLSearchParams, name: string, restOfDay: number): number | null {
  const given = query.get(name)
  if (given === null || given === "") return null
  if (/^-?\d+$/.test(given)) return Number(given)
  return /^\d{4}-\d\d-\d\d$/.test(given) ? Date.parse(given) + restOfDay : Number.NaN
}
