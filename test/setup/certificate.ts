import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"

/** What a TLS server shows. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface Authority extends Certificate {
  /** An authority below this one, which vouches for it. */
  readonly authority: (name: string) => Authority
  readonly issue: (to: { readonly names: readonly string[]; readonly days?: readonly [number, number] }) => Certificate
}

/** An authority of a test's own; what it issues is good from and to these days, counted from today. */
export function createAuthority(name: string): Authority {
  const keys = newKeys()
  return authorityOf(name, keys, signedBy(name, keys)(name, keys, [], [-1, 30]))
}

/** What a server shows that has no authority. */
export function selfSigned(name: string): Certificate {
  const keys = newKeys()
  return signedBy(name, keys)(name, keys, [name], [-1, 30])
}

function authorityOf(name: string, keys: Keys, certificate: Certificate): Authority {
  const make = signedBy(name, keys)
  return {
    ...certificate,
    issue: ({ names, days = [-1, 30] }) => make(names[0] ?? "nobody", newKeys(), names, days),
    authority(below) {
      const ofBelow = newKeys()
      return authorityOf(below, ofBelow, make(below, ofBelow, [], [-1, 30]))
    },
  }
}

function signedBy(name: string, own: Keys) {
  return (
    subject: string,
    keys: Keys,
    names: readonly string[],
    [from, to]: readonly [number, number],
  ): Certificate => {
    const algorithm = sequence(objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)) // ecdsa-with-SHA256
    const body = sequence(
      der(0xa0, integer(Buffer.of(2))),
      integer(Buffer.from([1, ...Buffer.from(subject).subarray(0, 8)])),
      algorithm,
      commonName(name),
      sequence(time(from), time(to)),
      commonName(subject),
      keys.publicKey.export({ type: "spki", format: "der" }),
      der(0xa3, sequence(names.length > 0 ? alternativeNames(names) : isAuthority())),
    )
    const signature = sign("sha256", body, own.privateKey)
    const whole = sequence(body, algorithm, der(0x03, Buffer.of(0), signature))
    return { cert: pem(whole), key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString() }
  }
}

interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function newKeys(): Keys {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
}

function alternativeNames(names: readonly string[]): Buffer {
  const each = names.map(name => {
    const isAddress = /^[\d.]+$/.test(name)
    return isAddress ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name))
  })
  return sequence(objectId(0x55, 0x1d, 0x11), der(0x04, sequence(...each)))
}

function isAuthority(): Buffer {
  return sequence(
    objectId(0x55, 0x1d, 0x13),
    der(0x01, Buffer.of(0xff)),
    der(0x04, sequence(der(0x01, Buffer.of(0xff)))),
  )
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(objectId(0x55, 0x04, 0x03), der(0x0c, Buffer.from(name)))))
}

function time(inDays: number): Buffer {
  const digits = new Date(Date.now() + inDays * 86_400_000).toISOString().replace(/\D/g, "").slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes)
}

function objectId(...bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes))
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return der(0x30, ...contents)
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
