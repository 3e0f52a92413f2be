import type { Call } from "../answer.js"

/** The form fields of a request; a body of another type has none. */
export function formOf(call: Call): URLSearchParams {
  const isForm =
    call.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() === "application/x-www-form-urlencoded"
  return new URLSearchParams(isForm ? call.body : "")
}

export function hasDuplicates(form: URLSearchParams): boolean {
  const names = [...form.keys()]
  return new Set(names).size < names.length
}
