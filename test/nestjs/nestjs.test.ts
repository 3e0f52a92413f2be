import { beforeAll, describe } from "vitest"
import type { Listening } from "../adapters/listen.js"
import { adapterContract, type Route, type Setup } from "../contracts/adapter.js"
import { type Loaded, type Nest, openNest } from "./nest.ts"

describe.each([11, 12] as const)("NestJS %i", version => {
  let nest: Nest
  beforeAll(async () => {
    nest = await openNest(version)
  })

  for (const platform of ["express", "fastify"] as const) {
    adapterContract(`NestJS ${version} on ${platform}`, setup => start(nest, platform, setup), {
      guardsApart: false,
      passesErrors: false,
      middlewareAboutHandlers: true,
    })
  }
})

async function start(nest: Nest, platform: "express" | "fastify", setup: Setup): Promise<Listening> {
  const common = await nest.load("@nestjs/common")
  const { NestFactory } = await nest.load("@nestjs/core")
  const door = await nest.load("keycloak-gate/nestjs")
  const adapters = await nest.load(`@nestjs/platform-${platform}`)
  const { gate, onError, onApplicationError } = setup
  const options = onError === undefined ? { gate } : { gate, onError }
  class AppModule {}
  common.Module({
    imports: [door.GateModule.forRoot(options)],
    controllers: [...setup.routes, ...setup.strayRoutes]
      .map(route => controllerOf(route, common, door))
      .concat(accountsOf(setup, common, door)),
  })(AppModule)
  const adapter = platform === "express" ? new adapters.ExpressAdapter() : new adapters.FastifyAdapter()
  const app = await NestFactory.create(AppModule, adapter, { logger: false, abortOnError: false })
  if (onApplicationError !== null) app.useGlobalFilters(catchAll(common, platform, onApplicationError))
  await app.listen(0, "127.0.0.1")
  return { url: await app.getUrl(), close: () => app.close() }
}

function controllerOf({ path, guard, handle }: Route, common: Loaded, door: Loaded): unknown {
  class RouteController {
    visit(principal: never) {
      return handle({ principal, principalOf: () => principal })
    }
  }
  const method = Object.getOwnPropertyDescriptor(RouteController.prototype, "visit") as PropertyDescriptor
  const access = guard === undefined ? door.Public() : door.RequireUser(...guard)
  for (const decorate of [common.All(path), common.HttpCode(200), access]) {
    decorate(RouteController.prototype, "visit", method)
  }
  door.CurrentPrincipal()(RouteController.prototype, "visit", 0)
  common.Controller()(RouteController)
  return RouteController
}

/** What an application makes of the gate's own verbs. */
function accountsOf({ gate }: Setup, common: Loaded, door: Loaded): unknown {
  class AccountsController {
    login(body: never) {
      return gate.loginWithPassword(body)
    }
    register(body: never) {
      return gate.registerUser(body)
    }
  }
  for (const name of ["login", "register"]) {
    const method = Object.getOwnPropertyDescriptor(AccountsController.prototype, name) as PropertyDescriptor
    common.Post(name)(AccountsController.prototype, name, method)
    common.Body()(AccountsController.prototype, name, 0)
  }
  common.Controller()(AccountsController)
  door.Public()(AccountsController)
  return AccountsController
}

function catchAll(common: Loaded, platform: "express" | "fastify", hear: (error: unknown) => void): unknown {
  class Everything {
    catch(error: unknown, host: Loaded) {
      hear(error)
      const response = host.switchToHttp().getResponse()
      if (platform === "express") response.status(500).json({ application: true })
      else response.status(500).send({ application: true })
    }
  }
  common.Catch()(Everything)
  return new Everything()
}
