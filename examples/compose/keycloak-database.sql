-- The first start of PostgreSQL makes the application's database; Keycloak has one of its own.
CREATE DATABASE keycloak;
