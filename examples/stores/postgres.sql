-- One row per person. (issuer, subject) is who somebody is; everything else about a person may change.
CREATE TABLE IF NOT EXISTS app_user (
  -- With gaps: an upsert takes a number even when it only updates.
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer         text COLLATE "C" NOT NULL,
  subject        text COLLATE "C" NOT NULL,
  -- Not unique, on purpose. Names are reused and swapped in Keycloak, and news of two people arrives in any order: a
  -- unique index would refuse the first of two who swap, or lock a newcomer out because of somebody who has left.
  username       text,
  email          text,
  email_verified boolean NOT NULL,
  first_name     text,
  last_name      text,
  -- When Keycloak said all this; the later word wins.
  as_of          timestamptz NOT NULL,
  -- The application's own columns. Keycloak knows nothing of them.
  plan           text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject)
);
