-- The table of postgres.sql for MariaDB. On MySQL write utf8mb4_0900_bin for utf8mb4_nopad_bin, which it doesn't know.
CREATE TABLE IF NOT EXISTS app_user (
  id             bigint AUTO_INCREMENT PRIMARY KEY,
  -- To the letter: the default collations take "Ada" for "ada", and those without NOPAD "ada " too.
  -- Both null: a row from before Keycloak, which waits for its account (importUsers, linkUsers, legacyLogin).
  issuer         varchar(255) COLLATE utf8mb4_nopad_bin,
  subject        varchar(255) COLLATE utf8mb4_nopad_bin,
  -- Never unique: ON DUPLICATE KEY UPDATE looks at every unique index, and would take over the row of another person.
  username       varchar(255),
  email          varchar(255),
  email_verified boolean NOT NULL DEFAULT false,
  first_name     varchar(255),
  last_name      varchar(255),
  -- In milliseconds, and in UTC: see the pool's time zone in mariadb.ts.
  as_of          datetime(3),
  -- See postgres.sql.
  custom         json NOT NULL DEFAULT ('{}'),
  custom_as_of   datetime(3),
  plan           varchar(255),
  created_at     datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
  UNIQUE (issuer, subject),
  -- No row is half somebody's.
  CHECK ((issuer IS NULL) = (subject IS NULL) AND (issuer IS NULL) = (as_of IS NULL))
) CHARACTER SET utf8mb4
