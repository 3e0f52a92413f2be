import { describe, expect, it } from "vitest"
import { unavailable, unreachable, wasNotDone } from "../../src/keycloak/network-error.js"

const url = "https://sso.example.test/realms/shop"
const failed = (code: string) => unreachable(url, Object.assign(new Error("fetch failed"), { cause: { code } }))

// Those of Node's documentation: TLS, "X509 certificate error codes".
const ofCertificates = [
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_CRL",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_DECRYPT_CRL_SIGNATURE",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "CERT_SIGNATURE_FAILURE",
  "CRL_SIGNATURE_FAILURE",
  "CERT_NOT_YET_VALID",
  "CERT_HAS_EXPIRED",
  "CRL_NOT_YET_VALID",
  "CRL_HAS_EXPIRED",
  "ERROR_IN_CERT_NOT_BEFORE_FIELD",
  "ERROR_IN_CERT_NOT_AFTER_FIELD",
  "ERROR_IN_CRL_LAST_UPDATE_FIELD",
  "ERROR_IN_CRL_NEXT_UPDATE_FIELD",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REVOKED",
  "INVALID_CA",
  "PATH_LENGTH_EXCEEDED",
  "INVALID_PURPOSE",
  "CERT_UNTRUSTED",
  "CERT_REJECTED",
  "HOSTNAME_MISMATCH",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERR_TLS_CERT_ALTNAME_FORMAT",
]
const ofTls = [
  "OUT_OF_MEM",
  "EPROTO",
  "ERR_TLS_HANDSHAKE_TIMEOUT",
  "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
  "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
  "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
  "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
]

describe("unreachable", () => {
  it.each([...ofCertificates, ...ofTls])("has a sentence and a mend for %s, and does not point at Docker", code => {
    const { message } = failed(code)
    expect(message).toContain(`(${code}). Callers get 503`)
    expect(message).not.toMatch(/fetch failed|Docker/)
    expect(message).toMatch(/tries again\. \S.{20}/)
  })

  it.each(["DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "SELF_SIGNED_CERT_IN_CHAIN"])(
    "names NODE_EXTRA_CA_CERTS for %s",
    code => expect(failed(code).message).toContain("NODE_EXTRA_CA_CERTS"),
  )

  it("points at Docker where nobody answers", () => {
    expect(failed("ECONNREFUSED").message).toMatch(/connection refused \(ECONNREFUSED\).*inside Docker/)
    expect(unavailable(url, "why").message).toContain("inside Docker")
  })

  it.each(ofCertificates)("knows that nothing was sent: %s", code => expect(wasNotDone(failed(code))).toBe(true))

  it("does not know that of an alert, which may come after the request", () => {
    expect(wasNotDone(failed("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"))).toBe(false)
  })
})
