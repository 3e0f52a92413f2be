// As it stands in app/orders/[id]/route.ts of a Next application.
import { createGate, optionsFromEnv } from "keycloak-gate"
import { guard } from "keycloak-gate/web"
import { openStore } from "../stores/open-store.ts"

const store = await openStore(process.env)
const gate = createGate({ ...optionsFromEnv(process.env), userStore: store.userStore })

interface Context {
  readonly params: Promise<{ readonly id: string }>
}

export const GET = guard(gate, {}, async (_request, { user }, { params }: Context) =>
  Response.json({ order: (await params).id, of: user.username }),
)
