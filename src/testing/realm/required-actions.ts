/** Something that a realm can ask of a person at the next login. */
export interface RequiredAction {
  readonly alias: string
  readonly name: string
  readonly providerId: string
  readonly isEnabled: boolean
  /** Asked of every new account. */
  readonly isDefault: boolean
  readonly priority: number
  readonly config: Readonly<Record<string, string>>
}
