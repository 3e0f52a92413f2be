import { type KeyObject, sign } from "node:crypto"

/** A self-signed X.509 certificate (DER), as Keycloak publishes one beside each RSA key of its key set. */
export function selfSigned(
  name: string,
  keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): Buffer {
  const algorithm = sequence(objectId(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), der(0x05)) // sha256WithRSA
  const subject = sequence(der(0x31, sequence(objectId(0x55, 0x04, 0x03), der(0x0c, Buffer.from(name))))) // CN
  const inTenYears = new Date()
  inTenYears.setUTCFullYear(inTenYears.getUTCFullYear() + 10)
  const body = sequence(
    der(0x02, serialNumber()),
    algorithm,
    subject,
    sequence(time(new Date()), time(inTenYears)),
    subject,
    keys.publicKey.export({ type: "spki", format: "der" }),
  )
  return sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.of(0), sign("sha256", body, keys.privateKey)])))
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const size = length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
  return Buffer.concat([Buffer.of(tag), size, content])
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return der(0x30, ...contents)
}

function objectId(...bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes))
}

function serialNumber(): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(Date.now(), 0, 6)
  return bytes
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\D/g, "").slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}
