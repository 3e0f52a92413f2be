import type { FieldProblem } from "../errors.js"
import { invalidFields, readFields } from "../fields.js"

/** What the application sets for a mail of Keycloak's; never from a request. */
export interface MailOptions {
  /** Where the link leads to in the end: one of the client's Valid redirect URIs. Default: a page of Keycloak's. */
  readonly redirectUri?: string | undefined
  /** How long the link works, in whole seconds; default: the realm's (12 hours, unless it was changed). */
  readonly lifespanSeconds?: number | undefined
}

/** Whether this is a whole URL of any scheme, an application's own included, with nothing in it that `URL` would drop. */
export function isRedirectUri(text: unknown): boolean {
  return typeof text === "string" && text.length <= maxUriLength && URL.canParse(text) && !/[\p{C}\p{Z}]/u.test(text)
}

const maxUriLength = 2048

export function readMailOptions(options: MailOptions): MailOptions {
  const { values, problems } = readFields(options, { redirectUri: { maxLength: maxUriLength, optional: true } })
  const lifespanSeconds: unknown = options?.lifespanSeconds
  const isUsable =
    lifespanSeconds === undefined || (Number.isSafeInteger(lifespanSeconds) && Number(lifespanSeconds) > 0)
  const wrong: FieldProblem[] = isUsable
    ? []
    : [{ field: "lifespanSeconds", rule: "not_a_positive_integer", params: [] }]
  if (problems.length + wrong.length > 0) throw invalidFields([...problems, ...wrong])
  return { redirectUri: values.redirectUri, lifespanSeconds: options.lifespanSeconds }
}
