#!/bin/sh
# Run by PostgreSQL's image when its volume is empty: a login for catalog_service, and a database each for the metadata
# and for the users' tables. The login is no superuser; it may make the roles as which users' SQL runs, and a database
# for each further workspace.
set -eu
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  --set password="$(cat /run/secrets/database_password)" <<'SQL'
CREATE ROLE thanosql LOGIN CREATEROLE CREATEDB PASSWORD :'password';
CREATE DATABASE metadata OWNER thanosql ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE tables OWNER thanosql ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE metadata FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
SQL
