import express, { type Express } from "express"
import { type BackchannelLogoutOptions, backchannelLogoutHandler } from "../../src/adapters/express.js"
import type { Gate } from "../../src/gate.js"

/** An application that does nothing but hear of logouts, at its root. */
export function logoutServer(gate: Gate<unknown>, options?: BackchannelLogoutOptions): Express {
  return express().all("/", backchannelLogoutHandler(gate, options))
}
