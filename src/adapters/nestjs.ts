import { createParamDecorator, type ExecutionContext, Inject, Module, UseFilters, UseGuards } from "@nestjs/common"
import { APP_FILTER, APP_GUARD, ModulesContainer } from "@nestjs/core"
import { GateError } from "../errors.js"
import type { Gate } from "../gate.js"
import { readOptions } from "../option-reader.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Hold } from "../verify/hold.js"
import { createGuard, createMount, type GuardRequirements, type Mount, type PrincipalKind } from "./guard.js"
import { addCheck, isDecorated, makePublic, targetOf } from "./nestjs/access.js"
import { GateFilter } from "./nestjs/gate-filter.js"
import { GateGuard, mountToken, principalOf } from "./nestjs/gate-guard.js"
import { carrier, setHold, type Visit } from "./nestjs/visit.js"

export type { GuardRequirements, PrincipalKind, RegisteredUser }

/** What `GateModule.forRoot` takes. */
export interface GateModuleOptions {
  /** What `createGate` returns. */
  readonly gate: Gate<RegisteredUser>
  /**
   * Whether each handler of HTTP and GraphQL needs a person's token unless it is `@Public()`; default true. With false,
   * only what carries `@RequireUser()` is guarded.
   */
  readonly global?: boolean | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: Nest hands over whatever `inject` names.
type Injected = any[]
interface MadeGate {
  readonly gate: Gate<RegisteredUser>
}

/** What `GateModule.forRootAsync` takes: the gate is made with what Nest injects. */
export interface GateModuleAsyncOptions {
  /** Modules that `inject` needs. */
  readonly imports?: unknown[]
  /** What the factory gets. */
  readonly inject?: unknown[]
  /** Makes the gate. */
  readonly useFactory: (...injected: Injected) => MadeGate | Promise<MadeGate>
  /** As in `forRoot`. */
  readonly global?: boolean | undefined
}

/** What Nest imports; it names no type of Nest's, so that it fits every version. */
export interface GateDynamicModule {
  // biome-ignore lint/suspicious/noExplicitAny: the form of Nest's DynamicModule
  readonly module: any
  readonly global: true
  // biome-ignore lint/suspicious/noExplicitAny: the form of Nest's DynamicModule
  imports?: any[]
  // biome-ignore lint/suspicious/noExplicitAny: the form of Nest's DynamicModule
  providers: any[]
  // biome-ignore lint/suspicious/noExplicitAny: the form of Nest's DynamicModule
  exports: any[]
}

/** What is read of Nest's modules. */
export interface LoadedModules {
  /** Each module, with its providers. */
  readonly values: () => Iterable<{ readonly providers: ReadonlyMap<unknown, { readonly metatype: unknown }> }>
}

/** Under which Nest injects the gate: `@Inject(GATE)`. */
export const GATE: unique symbol = Symbol.for("keycloak-gate.gate")

/**
 * Guards an application with one gate: imported once, in the outermost module.
 *
 * It refuses to start where a WebSocket gateway carries neither `@RequireUser()` nor `@Public()`: what guards the rest of
 * an application never reaches gateways.
 */
export class GateModule {
  readonly #modules: LoadedModules

  constructor(modules: LoadedModules) {
    this.#modules = modules
  }

  /**
   * With a gate that is there already.
   *
   * @throws {GateError} `config_invalid` when the gate or an option is wrong
   * @example
   * Module({ imports: [GateModule.forRoot({ gate })], controllers: [OrdersController] })
   */
  static forRoot(options: GateModuleOptions): GateDynamicModule {
    const isGlobal = readGlobal(options)
    const mount = createMount(options.gate, {})
    return dynamicModule(isGlobal, [{ provide: mountToken, useValue: mount }])
  }

  /**
   * With a gate that is made of what Nest injects.
   *
   * @throws {GateError} `config_invalid` when an option is wrong; when the application starts, where the gate is
   * @example
   * GateModule.forRootAsync({ inject: [ConfigService], useFactory: config => ({ gate: createGate(config.get("gate")) }) })
   */
  static forRootAsync(options: GateModuleAsyncOptions): GateDynamicModule {
    const { imports = [], inject = [], useFactory } = options
    if (typeof useFactory !== "function") throw new GateError("config_invalid", "forRootAsync needs `useFactory`.")
    const isGlobal = readGlobal({ global: options.global, gate: null })
    const make = async (...injected: unknown[]) => createMount((await useFactory(...injected))?.gate, {})
    return { ...dynamicModule(isGlobal, [{ provide: mountToken, inject, useFactory: make }]), imports: [...imports] }
  }

  /** @throws {GateError} `config_invalid` where a gateway is neither guarded nor public */
  onModuleInit(): void {
    const open = [...this.#modules.values()]
      .flatMap(({ providers }) => [...providers.values()])
      .flatMap(({ metatype }) => (isGateway(metatype) && !isDecorated(metatype) ? [String(metatype.name)] : []))
    if (open.length === 0) return
    const why = "Global guards never reach gateways. Decorate each with @RequireUser() or @Public()."
    throw new GateError("config_invalid", `Nothing guards the WebSocket gateway ${open.join(", ")}. ${why}`)
  }
}
Module({})(GateModule)
Inject(ModulesContainer)(GateModule, undefined, 0)

function readGlobal(options: unknown): boolean {
  return readOptions("GateModule", options, given => {
    given.value("gate")
    return given.boolean("global", true)
  })
}

function dynamicModule(isGlobal: boolean, mount: object[]): GateDynamicModule {
  const guards = isGlobal ? [{ provide: APP_GUARD, useClass: GateGuard }] : []
  const gate = { provide: GATE, inject: [mountToken], useFactory: ({ gate }: Mount<RegisteredUser>) => gate }
  return {
    module: GateModule,
    global: true,
    providers: [...mount, gate, ...guards, { provide: APP_FILTER, useClass: GateFilter }],
    exports: [mountToken, GATE],
  }
}

/** What `@WebSocketGateway()` leaves on a class. */
function isGateway(metatype: unknown): metatype is { readonly name: string } {
  return typeof metatype === "function" && Reflect.getMetadata("websockets:is_gateway", metatype) === true
}

/** For a class or a method. */
export type ClassOrMethodDecorator = (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => void

/**
 * Opens a handler, or all of a class, to everybody. A token is looked at only where the handler takes
 * `@CurrentPrincipal()`: a bad one is refused then.
 */
export function Public(): ClassOrMethodDecorator {
  return (target, _key, descriptor) => {
    makePublic(targetOf(target, descriptor))
    // A gateway's handler has no guard that would leave the gate where a parameter finds it.
    UseGuards(GateGuard)(target as never, _key as never, descriptor as never)
    UseFilters(GateFilter)(target as never, _key as never, descriptor as never)
  }
}

/**
 * Needs a person's token for a handler, or for all of a class, and whatever else is listed. What a class needs and what its
 * method needs are both needed. On a gateway it guards each message.
 *
 * `allow` gets the principal and Nest's execution context.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 * @example
 * RequireUser({ clientRoles: { "shop-api": ["editor"] } })
 */
export function RequireUser<Kind extends PrincipalKind = "user">(
  requirements: GuardRequirements<ExecutionContextLike, Kind> = {},
): ClassOrMethodDecorator {
  const check = createGuard(carrier, requirements, "RequireUser", ({ context }: Visit) => context)
  return (target, key, descriptor) => {
    addCheck(targetOf(target, descriptor), check)
    UseGuards(GateGuard)(target as never, key as never, descriptor as never)
    UseFilters(GateFilter)(target as never, key as never, descriptor as never)
  }
}

/** What `allow` sees of Nest's execution context. */
export interface ExecutionContextLike {
  /** `"http"`, `"graphql"` or `"ws"`. */
  readonly getType: () => string
  /** What the handler is called with. */
  // biome-ignore lint/suspicious/noExplicitAny: as Nest has it
  readonly getArgs: () => any
  /** The class of the handler. */
  readonly getClass: () => unknown
  /** The handler. */
  readonly getHandler: () => unknown
  /** Of HTTP alone. */
  readonly switchToHttp: () => HttpContextLike
}

/** What `allow` sees of an HTTP request in Nest. */
export interface HttpContextLike {
  /** The platform's own request. */
  // biome-ignore lint/suspicious/noExplicitAny: as Nest has it
  readonly getRequest: () => any
}

/** A parameter: who asks. Null in a `@Public()` handler where nobody does. */
export const CurrentPrincipal: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => principalOf(context),
)

/** A parameter: the row of whoever asks. Null for a client's own token, and where nobody asks. */
export const CurrentUser: () => ParameterDecorator = createParamDecorator(
  async (_: unknown, context: ExecutionContext) => (await principalOf(context))?.user ?? null,
)

/**
 * Says who sits behind a raw `ws` client, which has no headers that a guard could see: in `handleConnection(client,
 * request)`, with what `gate.hold` gives.
 *
 * @example
 * attachHold(client, await gate.hold(token, { onEnd: () => client.close(4401) }))
 */
export function attachHold(client: object, hold: Hold<RegisteredUser>): void {
  setHold(client, hold)
}
