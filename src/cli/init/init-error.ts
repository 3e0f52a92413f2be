/** Why `init` stopped, in the form of a finding. */
export class InitError extends Error {
  override readonly name = "InitError"
  readonly id: string
  readonly mend: string

  constructor(id: string, what: string, mend: string) {
    super(what)
    this.id = id
    this.mend = mend
  }
}
