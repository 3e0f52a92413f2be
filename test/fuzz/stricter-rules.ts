/** What a rule may look at: the token, and what its parts say when read as leniently as possible. */
export interface Reading {
  readonly token: string
  readonly headerText: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
  /** Seconds since 1970. */
  readonly now: number
}

export interface Rule {
  readonly name: string
  readonly isBroken: (reading: Reading) => boolean
}

const toleranceSeconds = 5

/**
 * Everything that this library refuses and jose, given issuer, audience, algorithms and tolerance, accepts; each rule told
 * from the token alone, by other means than the library's own.
 */
export const stricterRules: readonly Rule[] = [
  { name: "a token has at most 12,288 bytes", isBroken: ({ token }) => token.length > 12_288 },
  {
    name: "each part is canonical base64url",
    isBroken: ({ token }) => token.split(".").some(part => !isCanonical(part)),
  },
  {
    name: "header and payload are UTF-8 without a byte order mark",
    isBroken: ({ token }) =>
      token
        .split(".")
        .slice(0, 2)
        .some(part => !isPlainUtf8(Buffer.from(part, "base64url"))),
  },
  { name: "no name stands twice in the header", isBroken: ({ headerText }) => namesTwice(headerText) },
  {
    name: "the header has no crit, b64, zip or cty",
    isBroken: ({ header }) => ["crit", "b64", "zip", "cty"].some(name => Object.hasOwn(header, name)),
  },
  {
    name: "the header's typ is absent, JWT or at+jwt",
    isBroken: ({ header }) =>
      Object.hasOwn(header, "typ") && !/^(jwt|(application\/)?at\+jwt)$/i.test(textOf(header.typ)),
  },
  {
    name: "the header names a key id of 1 to 256 characters",
    isBroken: ({ header }) => textOf(header.kid) === "" || textOf(header.kid).length > 256,
  },
  { name: "the payload's typ is Bearer", isBroken: ({ payload }) => payload.typ !== "Bearer" },
  {
    name: "the payload has no mark of another token",
    isBroken: ({ payload }) => ["nonce", "at_hash", "events"].some(name => Object.hasOwn(payload, name)),
  },
  { name: "the token is bound to no key", isBroken: ({ payload }) => Object.hasOwn(payload, "cnf") },
  { name: "exp is a finite number", isBroken: ({ payload }) => !Number.isFinite(payload.exp) },
  {
    name: "nbf and iat are finite numbers if they are there",
    isBroken: ({ payload }) =>
      ["nbf", "iat"].some(name => Object.hasOwn(payload, name) && !Number.isFinite(payload[name])),
  },
  { name: "iat is not in the future", isBroken: ({ payload, now }) => Number(payload.iat) > now + toleranceSeconds },
  {
    name: "aud holds nothing but strings",
    isBroken: ({ payload }) => [payload.aud].flat().some(one => typeof one !== "string"),
  },
  { name: "sub is a string with more than blanks", isBroken: ({ payload }) => textOf(payload.sub).trim() === "" },
]

/** The token's parts, if they can be read at all. */
export function read(token: string, now: number): Reading | null {
  const [header = "", payload = ""] = token.split(".")
  const headerText = lenientText(header)
  try {
    return { token, headerText, header: JSON.parse(headerText), payload: JSON.parse(lenientText(payload)), now }
  } catch {
    return null
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : ""
}

function lenientText(part: string): string {
  return new TextDecoder().decode(Buffer.from(part, "base64url"))
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

function isCanonical(part: string): boolean {
  const values = [...part].map(letter => letters.indexOf(letter))
  const unusedBits = [0, 6, 4, 2][values.length % 4] ?? 0
  if (unusedBits === 6 || values.includes(-1)) return false
  return ((values.at(-1) ?? 0) & (2 ** unusedBits - 1)) === 0
}

function isPlainUtf8(bytes: Buffer): boolean {
  return Buffer.compare(Buffer.from(bytes.toString("utf8")), bytes) === 0 && bytes.readUIntBE(0, 1) !== 0xef
}

/** A reader of valid JSON that goes through it value by value. */
function namesTwice(json: string): boolean {
  let at = 0
  let isTwice = false
  const blanks = () => {
    while (/[ \t\r\n]/.test(json[at] ?? "")) at++
  }
  function text(): string {
    const start = at++
    while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1
    return JSON.parse(json.slice(start, ++at))
  }
  function members(end: string, member: () => void): void {
    for (at++, blanks(); json[at] !== end; blanks()) {
      member()
      blanks()
      if (json[at] === ",") at++
      blanks()
    }
    at++
  }
  function value(): void {
    blanks()
    const names = new Set<string>()
    if (json[at] === "{") {
      members("}", () => {
        const name = text()
        if (names.has(name)) isTwice = true
        names.add(name)
        blanks()
        at++
        value()
      })
    } else if (json[at] === "[") members("]", value)
    else if (json[at] === '"') text()
    else while (/[\w+.-]/.test(json[at] ?? "")) at++
  }
  value()
  return isTwice
}
