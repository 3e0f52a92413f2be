import { describeAccountSessions } from "../contracts/account-sessions.ts"
import { realServer } from "./realms.ts"

describeAccountSessions("the real server", realServer)
