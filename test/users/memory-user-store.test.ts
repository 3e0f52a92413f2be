import { describe } from "vitest"
import { memoryUserStore } from "../../src/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"

describe("memoryUserStore", () =>
  itKeepsTheStoreContract(memoryUserStore, { unownedRow: (store, names) => store.addUnlinked(names) }))
