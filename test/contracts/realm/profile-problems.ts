import type { Answer } from "./realm-client.ts"

export interface Problem {
  readonly field: string
  readonly errorMessage: string
  readonly params: readonly unknown[]
}

/** One problem of the user profile, as the Admin API tells it. */
export function problem(field: string, errorMessage: string, ...params: readonly unknown[]): Problem {
  return { field, errorMessage, params: [field, ...params] }
}

/** Status and body, with several problems in an order of their own: Keycloak promises none. */
export function sortedProblems({ status, body }: Answer): { readonly status: number; readonly body: unknown } {
  const byField = (a: Problem, b: Problem) => (a.field < b.field ? -1 : 1)
  return { status, body: Array.isArray(body.errors) ? { errors: [...body.errors].sort(byField) } : body }
}
