import type { UserStore } from "../users/user-store.js"
import type { GateOptions } from "./gate-options.js"

/** Options, and no others: a name that is none of them has to have a value that there is none of. */
export type ExactOptions<Given> = GateOptions<unknown> & {
  readonly [Name in Exclude<keyof Given, keyof GateOptions<unknown>>]: `createGate has no option ${Name & string}`
}

/** The row of the user store among these options; null where there is none, or may be none. */
export type RowOf<Given> = Given extends { readonly userStore: UserStore<infer User> }
  ? User
  : Given extends { readonly userStore: undefined }
    ? null
    : Given extends { readonly userStore?: UserStore<infer User> | undefined }
      ? User | null
      : null
