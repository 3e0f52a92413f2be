import { Controller, Get, Module } from "@nestjs/common"
import type { Principal } from "keycloak-gate"
import { createGate, optionsFromEnv } from "keycloak-gate"
import { CurrentPrincipal, CurrentUser, GateModule, Public, RequireUser } from "keycloak-gate/nestjs"

const gate = createGate(optionsFromEnv(process.env))

@Controller()
export class ShopController {
  @Public()
  @Get()
  hello(@CurrentPrincipal() principal: Principal<unknown> | null) {
    return { hello: principal?.username ?? "stranger" }
  }

  @Get("me")
  me(@CurrentUser() user: unknown, @CurrentPrincipal() principal: Principal<unknown>) {
    return { username: principal.username, user }
  }

  @RequireUser({ clientRoles: { "shop-api": ["editor"] } })
  @Get("editor")
  editor(@CurrentPrincipal() principal: Principal<unknown>) {
    return { editor: principal.username }
  }
}

@Module({ imports: [GateModule.forRoot({ gate })], controllers: [ShopController] })
export class AppModule {}
