import { describeWhoAsks } from "../contracts/who-asks.ts"
import { realServer } from "./realms.ts"

describeWhoAsks("the real server", realServer)
