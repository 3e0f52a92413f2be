/** What is known of an account or a group beside its own members, each a list of texts. */
export type Attributes = Readonly<Record<string, readonly string[]>>

/** The values under a name, which may be `constructor`. */
export function valuesUnder(attributes: Attributes, name: string): readonly string[] {
  return Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : []
}
