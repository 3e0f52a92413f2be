-- What Django's table needs to hold Keycloak's people. Run it once, in one transaction, or as a RunSQL migration.
-- Django goes on working with the table: it knows nothing of the new columns.
ALTER TABLE auth_user
  -- All null: a row from before Keycloak, which waits for its account (importUsers, linkUsers, legacyLogin). No column has
  -- a collation of its own: the functions below would take it for names too, and find no index.
  ADD issuer         text,
  ADD subject        text,
  ADD as_of          timestamptz,
  ADD told_username  text,
  ADD email_verified boolean NOT NULL DEFAULT false,
  ADD UNIQUE (issuer, subject),
  ADD CHECK (num_nulls(issuer, subject, as_of) IN (0, 3)),
  -- Keycloak's are longer, and a name that doesn't fit would lock its owner out.
  ALTER username TYPE text, ALTER first_name TYPE text, ALTER last_name TYPE text, ALTER email TYPE text;
CREATE INDEX auth_user_told_username ON auth_user (told_username);
CREATE INDEX auth_user_unlinked_username ON auth_user (lower(username)) WHERE subject IS NULL;
CREATE INDEX auth_user_unlinked_email ON auth_user (lower(email)) WHERE subject IS NULL;

-- Usernames are unique here. In Keycloak they are reused and swapped, and news of two people arrives in any order. The rule:
-- of an issuer's people, who was told a name last may hold it. A row without subject keeps its own, and so does another
-- issuer's. Everybody else's is parked.
CREATE FUNCTION may_hold(one auth_user) RETURNS boolean LANGUAGE sql STABLE AS $$
  -- Nobody holds a name that looks parked: it might be somebody else's.
  SELECT one.told_username IS NOT NULL AND one.told_username <> '' AND one.told_username NOT LIKE 'kc-%' AND NOT EXISTS (
    SELECT FROM auth_user AS other
    WHERE other.told_username = one.told_username AND other.issuer IS NOT DISTINCT FROM one.issuer
      AND (other.as_of, other.id) > (one.as_of, one.id)
  ) AND NOT EXISTS (
    SELECT FROM auth_user AS other WHERE other.username = one.told_username AND other.issuer IS DISTINCT FROM one.issuer
  )
$$;

-- Django wants a name for everybody.
CREATE FUNCTION parked_username(of_subject text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM auth_user WHERE username = 'kc-' || of_subject)
    THEN 'kc-' || of_subject || '-' || gen_random_uuid() ELSE 'kc-' || of_subject END
$$;

-- Settles who of an issuer holds these names, and what the row of `of_id` is called. Parks first and gives then, because
-- the index looks at each row. Not `issuer = of_issuer`: while an import goes on, PostgreSQL takes an issuer for rare, and
-- would read all rows that have one.
CREATE FUNCTION assign_usernames(of_issuer text, of_id integer, names text[]) RETURNS void LANGUAGE sql AS $$
  UPDATE auth_user AS one SET username = parked_username(subject)
  WHERE (id = of_id OR told_username = ANY (names)) AND issuer IS NOT DISTINCT FROM of_issuer AND username NOT LIKE 'kc-%'
    AND (username IS DISTINCT FROM told_username OR NOT may_hold(one));
  UPDATE auth_user SET username = told_username
  WHERE username <> told_username AND id IN (
    SELECT DISTINCT ON (told_username) id FROM auth_user AS one WHERE told_username = ANY (names) AND may_hold(one)
    ORDER BY told_username, issuer = of_issuer DESC, as_of DESC, id DESC
  );
$$;

-- One save at a time: two at once that give one name away would refuse each other.
CREATE FUNCTION save_auth_user(told auth_user) RETURNS auth_user LANGUAGE plpgsql AS $$
DECLARE
  old auth_user;
  saved auth_user;
BEGIN
  PERFORM pg_advisory_xact_lock('auth_user'::regclass::bigint);
  SELECT * INTO old FROM auth_user WHERE issuer = told.issuer AND subject = told.subject;
  IF NOT FOUND THEN
    INSERT INTO auth_user
      (issuer, subject, as_of, told_username, username, email, email_verified, first_name, last_name,
       password, is_superuser, is_staff, is_active, date_joined)
    VALUES
      (told.issuer, told.subject, told.as_of, told.told_username, parked_username(told.subject), COALESCE(told.email, ''),
       told.email_verified, COALESCE(told.first_name, ''), COALESCE(told.last_name, ''),
       -- No password fits this one. Django has the word for it: set_unusable_password().
       '!' || gen_random_uuid(), false, false, true, now())
    RETURNING * INTO saved;
  ELSIF old.as_of > told.as_of THEN
    RETURN old;
  ELSE
    UPDATE auth_user SET as_of = told.as_of, told_username = told.told_username, email = COALESCE(told.email, ''),
      email_verified = told.email_verified, first_name = COALESCE(told.first_name, ''),
      last_name = COALESCE(told.last_name, '')
    WHERE id = old.id RETURNING * INTO saved;
  END IF;
  PERFORM assign_usernames(told.issuer, saved.id, ARRAY[old.told_username, told.told_username]);
  SELECT * INTO saved FROM auth_user WHERE id = saved.id;
  RETURN saved;
END
$$;

-- Makes a row that has no subject somebody's; nulls where it has one, or the person has a row.
CREATE FUNCTION link_auth_user(key bigint, told auth_user) RETURNS auth_user LANGUAGE plpgsql AS $$
DECLARE
  old auth_user;
  saved auth_user;
BEGIN
  PERFORM pg_advisory_xact_lock('auth_user'::regclass::bigint);
  SELECT * INTO old FROM auth_user WHERE id = key AND subject IS NULL
    AND NOT EXISTS (SELECT FROM auth_user WHERE issuer = told.issuer AND subject = told.subject);
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE auth_user SET issuer = told.issuer, subject = told.subject, as_of = told.as_of,
    told_username = told.told_username, email = COALESCE(told.email, ''), email_verified = told.email_verified,
    first_name = COALESCE(told.first_name, ''), last_name = COALESCE(told.last_name, '')
  WHERE id = old.id;
  PERFORM assign_usernames(told.issuer, old.id, ARRAY[old.username, told.told_username]);
  SELECT * INTO saved FROM auth_user WHERE id = old.id;
  RETURN saved;
END
$$;

CREATE FUNCTION remove_auth_user(of_issuer text, of_subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  old auth_user;
BEGIN
  PERFORM pg_advisory_xact_lock('auth_user'::regclass::bigint);
  DELETE FROM auth_user WHERE issuer = of_issuer AND subject = of_subject RETURNING * INTO old;
  PERFORM assign_usernames(of_issuer, old.id, ARRAY[old.told_username]);
END
$$;
