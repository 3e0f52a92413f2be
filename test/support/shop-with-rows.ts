import {
  createGate,
  type Gate,
  type GateEvent,
  type MemoryUser,
  memoryUserStore,
  type UserStore,
} from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import {
  type AddedTestUser,
  type NewTestUser,
  startTestRealm,
  type TestRealm,
  type TestUser,
} from "../../src/testing/index.js"
import { secrets } from "./refusal-of.ts"

export const nobody = "00000000-0000-4000-8000-000000000000"

/** The test realm and an application's rows behind a gate, for the tests of one verb. */
export interface ShopWithRows {
  readonly realm: TestRealm
  readonly store: UserStore<MemoryUser>
  readonly gate: Gate<MemoryUser>
  readonly events: GateEvent[]
  readonly gateWith: (options: { readonly userStore?: UserStore<MemoryUser> }) => Gate<MemoryUser>
  readonly newPerson: (more?: Partial<NewTestUser>) => AddedTestUser
  readonly accountOf: (subject: string) => TestUser | undefined
  readonly rowOf: (subject: string) => Promise<MemoryUser | null>
  readonly close: () => Promise<void>
}

const attributes = ["username", "email", "firstName", "lastName"].map(name => ({
  name,
  permissions: { view: ["admin", "user"], edit: ["admin", "user"] },
}))

export async function openShopWithRows(): Promise<ShopWithRows> {
  const clientId = "shop-api"
  const file = defaultRealm({ realm: "shop", clientId, clientSecret: secrets.clientSecrets[0] })
  const profile = JSON.stringify({ unmanagedAttributePolicy: "ADMIN_EDIT", attributes })
  const more = {
    components: {
      "org.keycloak.userprofile.UserProfileProvider": [{ config: { "kc.user.profile.config": [profile] } }],
    },
    editUsernameAllowed: true,
    bruteForceProtected: false,
    smtpServer: { host: "mail.example.test", from: "shop@example.test" },
  }
  const realm = await startTestRealm({ realm: { ...file, ...more }, clientId })
  const store = memoryUserStore()
  const events: GateEvent[] = []
  const opened: Gate<MemoryUser>[] = []
  const gateWith: ShopWithRows["gateWith"] = options => {
    const onEvent = (event: GateEvent) => void events.push(event)
    const gate = createGate<MemoryUser>({ ...realm.gateOptions, userStore: store, onEvent, ...options })
    opened.push(gate)
    return gate
  }
  let count = 0
  return {
    realm,
    store,
    gate: gateWith({}),
    events,
    gateWith,
    newPerson: more => realm.addUser({ username: `person-${count++}`, password: secrets.password, ...more }),
    accountOf: subject => realm.users().find(({ id }) => id === subject),
    rowOf: subject => store.findUser({ issuer: realm.issuer, subject }),
    async close() {
      await Promise.all(opened.map(gate => gate.close()))
      await realm.stop()
    },
  }
}
