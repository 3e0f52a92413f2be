/** What is known of an account or a group beside its own members, each a list of texts. */
export type Attributes = Readonly<Record<string, readonly string[]>>
