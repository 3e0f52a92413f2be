export type { UserStoreCase, UserStoreContractOptions } from "./user-store-contract.js"
export { userStoreContract } from "./user-store-contract.js"
