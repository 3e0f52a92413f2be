import express from "express"
import Keycloak from "keycloak-connect"

/** The routes of keycloak-connect's own documentation. */
export function createApplication(keycloakJson) {
  const app = express()
  const keycloak = new Keycloak({}, keycloakJson)
  app.use(keycloak.middleware())

  app.get("/", hello)
  app.get("/complain", keycloak.protect(), hello)
  app.get("/special", keycloak.protect("special"), hello)
  app.get("/extra-special", keycloak.protect("other-app:special"), hello)
  app.get("/admin", keycloak.protect("realm:admin"), hello)
  app.get("/fancy/:page", keycloak.protect(pants), hello)
  app.get("/:section/:page", keycloak.protect(protectBySection), hello)
  return app
}

function hello(req, res) {
  res.json({ hello: req.kauth.grant?.access_token.content.preferred_username ?? "stranger" })
}

function pants(token) {
  return token.hasRole("realm:nicepants") || token.hasRole("mr-fancypants")
}

function protectBySection(token, request) {
  return token.hasRole(request.params.section)
}
