// Frameworks of an older major beside the newest, which the same tests run on.
declare module "express4" {
  export { default } from "express"
}
declare module "koa2" {
  export { default } from "koa"
}
