import { describeRealmContract } from "../contracts/realm.ts"
import { realServer } from "./realms.ts"

describeRealmContract("the real server", realServer)
