import express from "express"
import { auth, claimCheck, requiredScopes, scopeIncludesAny } from "express-oauth2-jwt-bearer"

export function createApplication(issuerBaseURL, audience) {
  const app = express()
  const required = auth({ issuerBaseURL, audience })

  app.get("/", auth({ issuerBaseURL, audience, authRequired: false }), hello)
  app.get("/me", required, hello)
  app.get("/profile", required, requiredScopes("profile email"), hello)
  app.get("/orders", required, requiredScopes("orders"), hello)
  app.get("/either", required, scopeIncludesAny("orders email"), hello)
  app.get("/admin", required, claimCheck(isAdmin), hello)
  app.use((error, _req, res, _next) => {
    res.status(error.status ?? 500).json({})
  })
  return app
}

function hello(req, res) {
  res.json({ hello: req.auth?.payload.preferred_username ?? "stranger" })
}

function isAdmin({ realm_access }) {
  return realm_access?.roles.includes("admin") ?? false
}
