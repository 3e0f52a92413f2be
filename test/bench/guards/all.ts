import { frameworks, type GuardScenario } from "../guard.ts"

export const gateGuard = "keycloak-gate"

const others: readonly Omit<GuardScenario, "turns">[] = [
  { name: "jose, by hand", framework: "express", module: "./guards/jose.ts", makes: "onExpress" },
  { name: "jose, by hand", framework: "fastify", module: "./guards/jose.ts", makes: "onFastify" },
  { name: "jose, by hand", framework: "koa", module: "./guards/jose.ts", makes: "onKoa" },
  {
    name: "express-oauth2-jwt-bearer",
    framework: "express",
    module: "./peers/express-oauth2-jwt-bearer.ts",
    makes: "onExpress",
  },
  { name: "express-jwt + jwks-rsa", framework: "express", module: "./peers/express-jwt.ts", makes: "onExpress" },
  { name: "keycloak-connect", framework: "express", module: "./peers/keycloak-connect.ts", makes: "onExpress" },
  { name: "@fastify/jwt + get-jwks", framework: "fastify", module: "./peers/fastify-jwt.ts", makes: "withoutCache" },
  {
    name: "@fastify/jwt + get-jwks, cache",
    framework: "fastify",
    module: "./peers/fastify-jwt.ts",
    makes: "withCache",
  },
  { name: "koa-jwt + jwks-rsa", framework: "koa", module: "./peers/koa-jwt.ts", makes: "onKoa" },
]

export const rowAlone = "the row alone, by `pg`"
export const gateWithRow = "keycloak-gate with the row"
export const gateWithRememberedRow = "keycloak-gate with the row in `cachedUserStore`"

/** The application's own row on each request: by itself, with a guard, and remembered. */
export const rows: readonly GuardScenario[] = [
  { name: rowAlone, framework: "express", module: "./guards/rows.ts", makes: "rowAlone", turns: 4, isOpen: true },
  { name: gateWithRow, framework: "express", module: "./guards/rows.ts", makes: "guardedWithRow", turns: 4 },
  {
    name: gateWithRememberedRow,
    framework: "express",
    module: "./guards/rows.ts",
    makes: "guardedWithRememberedRow",
    turns: 4,
  },
]

/** Every guard that is measured, each on its own framework. */
export const guards: readonly GuardScenario[] = [
  ...frameworks.map(framework => ({
    name: gateGuard,
    framework,
    module: `./guards/${framework}.ts`,
    makes: "guarded",
    turns: 4,
  })),
  ...frameworks.map(framework => ({
    name: "keycloak-gate, verifiedTokenCache: false",
    framework,
    module: `./guards/${framework}.ts`,
    makes: "guardedWithoutCache",
    turns: 1,
  })),
  ...others.map(guard => ({ ...guard, turns: 1 })),
]
