-- The table of postgres.sql for an application that wants usernames and e-mails unique, without locking anybody out.
CREATE TABLE IF NOT EXISTS app_user (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer         text COLLATE "C",
  subject        text COLLATE "C",
  -- What Keycloak told: two rows may have been told one name, since names are reused and swapped there, and news of two
  -- people arrives in any order.
  told_username  text,
  told_email     text,
  -- The rule, within one issuer: who was told a name last holds it. Everybody else's is parked, which is null here, and
  -- comes back when the holder lets go of it. (Should your columns be NOT NULL, park with 'parked:' || id in place of null.)
  username       text,
  email          text,
  email_verified boolean NOT NULL DEFAULT false,
  first_name     text,
  last_name      text,
  custom         jsonb NOT NULL DEFAULT '{}',
  custom_as_of   timestamptz,
  as_of          timestamptz,
  plan           text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject),
  -- Another realm's people have names of their own. Deferrable, so that names may be swapped in one statement.
  UNIQUE (issuer, username) DEFERRABLE,
  UNIQUE (issuer, email) DEFERRABLE,
  CHECK (num_nulls(issuer, subject, as_of) IN (0, 3))
);
CREATE INDEX IF NOT EXISTS app_user_unlinked_username ON app_user (lower(username)) WHERE subject IS NULL;
CREATE INDEX IF NOT EXISTS app_user_unlinked_email ON app_user (lower(email)) WHERE subject IS NULL;
CREATE INDEX IF NOT EXISTS app_user_told_username ON app_user (issuer, told_username);
CREATE INDEX IF NOT EXISTS app_user_told_email ON app_user (issuer, told_email);

-- Gives each of these names of an issuer to the row that was told it last.
CREATE OR REPLACE FUNCTION assign_names(of_issuer text, usernames text[], emails text[]) RETURNS void LANGUAGE sql AS $$
  UPDATE app_user AS one SET username = CASE WHEN NOT EXISTS (
      SELECT FROM app_user AS other
      WHERE other.issuer = one.issuer AND other.told_username = one.told_username
        AND (other.as_of, other.id) > (one.as_of, one.id)
    ) THEN told_username END
  WHERE issuer = of_issuer AND told_username = ANY (usernames);
  UPDATE app_user AS one SET email = CASE WHEN NOT EXISTS (
      SELECT FROM app_user AS other
      WHERE other.issuer = one.issuer AND other.told_email = one.told_email
        AND (other.as_of, other.id) > (one.as_of, one.id)
    ) THEN told_email END
  WHERE issuer = of_issuer AND told_email = ANY (emails);
$$;

-- One save at a time: two at once that give one name away would refuse each other.
CREATE OR REPLACE FUNCTION save_app_user(told app_user) RETURNS app_user LANGUAGE plpgsql AS $$
DECLARE
  old app_user;
  saved app_user;
BEGIN
  PERFORM pg_advisory_xact_lock('app_user'::regclass::bigint);
  SELECT * INTO old FROM app_user WHERE issuer = told.issuer AND subject = told.subject;
  INSERT INTO app_user AS held
    (issuer, subject, told_username, told_email, email_verified, first_name, last_name, custom, custom_as_of, as_of, plan)
  VALUES
    (told.issuer, told.subject, told.told_username, told.told_email, told.email_verified, told.first_name, told.last_name,
     told.custom, told.custom_as_of, told.as_of, told.plan)
  ON CONFLICT (issuer, subject) DO UPDATE SET
    told_username  = CASE WHEN held.as_of > told.as_of THEN held.told_username  ELSE told.told_username  END,
    told_email     = CASE WHEN held.as_of > told.as_of THEN held.told_email     ELSE told.told_email     END,
    username       = CASE WHEN held.as_of > told.as_of OR held.told_username = told.told_username THEN held.username END,
    email          = CASE WHEN held.as_of > told.as_of OR held.told_email = told.told_email       THEN held.email    END,
    email_verified = CASE WHEN held.as_of > told.as_of THEN held.email_verified ELSE told.email_verified END,
    first_name     = CASE WHEN held.as_of > told.as_of THEN held.first_name     ELSE told.first_name     END,
    last_name      = CASE WHEN held.as_of > told.as_of THEN held.last_name      ELSE told.last_name      END,
    as_of          = GREATEST(held.as_of, told.as_of),
    custom         = CASE WHEN held.custom_as_of > told.custom_as_of THEN held.custom ELSE told.custom END,
    custom_as_of   = GREATEST(held.custom_as_of, told.custom_as_of),
    plan           = COALESCE(told.plan, held.plan);
  PERFORM assign_names(
    told.issuer, ARRAY[old.told_username, told.told_username], ARRAY[old.told_email, told.told_email]);
  SELECT * INTO saved FROM app_user WHERE issuer = told.issuer AND subject = told.subject;
  RETURN saved;
END
$$;

-- Makes a row that has no subject somebody's, names included; nulls where it has one, or the person has a row.
CREATE OR REPLACE FUNCTION link_app_user(key bigint, told app_user) RETURNS app_user LANGUAGE plpgsql AS $$
DECLARE
  saved app_user;
BEGIN
  PERFORM pg_advisory_xact_lock('app_user'::regclass::bigint);
  UPDATE app_user SET issuer = told.issuer, subject = told.subject, told_username = told.told_username,
    told_email = told.told_email, username = NULL, email = NULL, email_verified = told.email_verified,
    first_name = told.first_name, last_name = told.last_name, custom = told.custom, custom_as_of = told.custom_as_of,
    as_of = told.as_of
  WHERE id = key AND subject IS NULL
    AND NOT EXISTS (SELECT FROM app_user WHERE issuer = told.issuer AND subject = told.subject);
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM assign_names(told.issuer, ARRAY[told.told_username], ARRAY[told.told_email]);
  SELECT * INTO saved FROM app_user WHERE id = key;
  RETURN saved;
END
$$;

CREATE OR REPLACE FUNCTION remove_app_user(of_issuer text, of_subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  old app_user;
BEGIN
  PERFORM pg_advisory_xact_lock('app_user'::regclass::bigint);
  DELETE FROM app_user WHERE issuer = of_issuer AND subject = of_subject RETURNING * INTO old;
  PERFORM assign_names(of_issuer, ARRAY[old.told_username], ARRAY[old.told_email]);
END
$$;
