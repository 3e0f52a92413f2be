import { inject } from "vitest"
import { describeRealmContract } from "../contracts/realm.ts"
import { adminFetch } from "./realms.ts"

describeRealmContract("the real server", {
  async open(file) {
    await adminFetch("DELETE", `/realms/${file.realm}`)
    const answer = await adminFetch("POST", "/realms", file)
    if (answer.status !== 201) throw new Error(`importing ${file.realm}: ${answer.status} ${await answer.text()}`)
    const close = async () => void (await adminFetch("DELETE", `/realms/${file.realm}`))
    return { url: inject("keycloak").url, realm: file.realm, close }
  },
})
