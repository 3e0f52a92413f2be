-- One row per person. (issuer, subject) is who somebody is; everything else about a person may change.
CREATE TABLE IF NOT EXISTS app_user (
  -- With gaps: an upsert takes a number even when it only updates.
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Both null: a row from before Keycloak, which waits for its account (importUsers, linkUsers, legacyLogin).
  issuer         text COLLATE "C",
  subject        text COLLATE "C",
  -- Not unique, on purpose. Names are reused and swapped in Keycloak, and news of two people arrives in any order: a
  -- unique index would refuse the first of two who swap, or lock a newcomer out because of somebody who has left.
  username       text,
  email          text,
  email_verified boolean NOT NULL DEFAULT false,
  first_name     text,
  last_name      text,
  -- What else of tokens and accounts is kept: see customProfile. It has a date of its own, as not every source tells it.
  custom         jsonb NOT NULL DEFAULT '{}',
  custom_as_of   timestamptz,
  -- When Keycloak said all the rest; the later word wins.
  as_of          timestamptz,
  -- The application's own columns. Keycloak knows nothing of them.
  plan           text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject),
  -- No row is half somebody's.
  CHECK (num_nulls(issuer, subject, as_of) IN (0, 3))
);
-- For linkUsers, which looks for the row of each account.
CREATE INDEX IF NOT EXISTS app_user_unlinked_username ON app_user (lower(username)) WHERE subject IS NULL;
CREATE INDEX IF NOT EXISTS app_user_unlinked_email ON app_user (lower(email)) WHERE subject IS NULL;
