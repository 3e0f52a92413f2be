/** A realm's `passwordPolicy`, such as `length(8) and digits(1)`. */
export interface PasswordPolicy {
  /** The first rule that a password breaks, in Keycloak's words, or null. */
  readonly broken: (password: string, account: { username: string; email: string | null }) => PolicyProblem | null
}

interface PolicyProblem {
  readonly error: string
  readonly description: string
}

interface Rule {
  readonly isKept: (password: string, account: { username: string; email: string | null }) => boolean
  readonly problem: PolicyProblem
}

interface ParsedPolicy {
  readonly policy: PasswordPolicy
  /** Rules that this server does not know. */
  readonly unknown: readonly string[]
}

export function parsePasswordPolicy(text: string): ParsedPolicy {
  const rules: Rule[] = []
  const unknown: string[] = []
  for (const part of text.split(" and ").filter(Boolean)) {
    const [, name = "", parameter = ""] = /^\s*(\w+)(?:\((.*)\))?\s*$/.exec(part) ?? []
    if (withoutEffect.has(name)) continue
    const rule = ruleNamed(name, parameter === "undefined" ? "" : parameter)
    if (rule === null) unknown.push(part.trim())
    else rules.push(rule)
  }
  return {
    policy: { broken: (password, account) => rules.find(rule => !rule.isKept(password, account))?.problem ?? null },
    unknown,
  }
}

// They decide how a password is stored, not which one is taken.
const withoutEffect: ReadonlySet<string> = new Set([
  "hashIterations",
  "hashAlgorithm",
  "maxAuthAge",
  "recoveryCodesWarningThreshold",
])

function ruleNamed(name: string, parameter: string): Rule | null {
  const least = (byDefault: number) => Number(parameter || byDefault)
  const count = (password: string, kind: RegExp) => [...password].filter(letter => kind.test(letter)).length
  const rule = (key: string, text: string, isKept: Rule["isKept"]): Rule => ({
    isKept,
    problem: { error: `invalidPassword${key}Message`, description: `Invalid password: ${text}.` },
  })
  const atLeast = (key: string, what: string, kind: RegExp) =>
    rule(key, `must contain at least ${least(1)} ${what}`, password => count(password, kind) >= least(1))

  switch (name) {
    case "length":
      return rule("MinLength", `minimum length ${least(8)}`, password => password.length >= least(8))
    case "maxLength":
      return rule("MaxLength", `maximum length ${least(64)}`, password => password.length <= least(64))
    case "digits":
      return atLeast("MinDigits", "numerical digits", /\p{Nd}/u)
    case "lowerCase":
      return atLeast("MinLowerCaseChars", "lower case characters", /\p{Ll}/u)
    case "upperCase":
      return atLeast("MinUpperCaseChars", "upper case characters", /\p{Lu}/u)
    case "specialChars":
      return atLeast("MinSpecialChars", "special characters", /[^\p{L}\p{Nd}]/u)
    case "notUsername":
      return rule("NotUsername", "must not be equal to the username", (password, { username }) => password !== username)
    case "notEmail":
      return rule("NotEmail", "must not be equal to the email", (password, { email }) => password !== email)
    case "notContainsUsername":
      return rule(
        "NotContainsUsername",
        "Can not contain the username",
        (password, { username }) => !password.toLowerCase().includes(username),
      )
    case "regexPattern":
      return rule("RegexPattern", "fails to match regex pattern(s)", password =>
        new RegExp(`^(?:${parameter})$`, "u").test(password),
      )
    default:
      return null
  }
}
