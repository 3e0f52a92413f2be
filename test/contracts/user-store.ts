import { it } from "vitest"
import type { UserStore } from "../../src/index.js"
import { type UserStoreContractOptions, userStoreContract } from "../../src/testing/index.js"

/** Registers the store contract as tests of the surrounding `describe`. */
export function itKeepsTheStoreContract<User>(
  createStore: () => UserStore<User> | Promise<UserStore<User>>,
  options?: UserStoreContractOptions<User>,
): void {
  it.each(userStoreContract(createStore, options))("$name", ({ run }) => run())
}
