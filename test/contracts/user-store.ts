import { it } from "vitest"
import type { UserStore } from "../../src/index.js"
import { type UserStoreContractOptions, userStoreContract } from "../../src/testing/index.js"

/** Registers the store contract as tests of the surrounding `describe`. */
export function itKeepsTheStoreContract<User, Store extends UserStore<User> = UserStore<User>>(
  createStore: () => (Store & UserStore<User>) | Promise<Store & UserStore<User>>,
  options?: UserStoreContractOptions<User, Store>,
): void {
  it.each(userStoreContract(createStore, options))("$name", ({ run }) => run())
}
