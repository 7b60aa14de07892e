#!/bin/sh
# Run once by the image of PostgreSQL, as superuser, when its data folder is empty: the databases of
# Dagster and of the warehouse, and their accounts.
set -eu
deploy=${DEPLOY_FOLDER:-/deploy}
psql --username postgres --dbname postgres --set ON_ERROR_STOP=1 \
    --set password="$DAGSTER_PASSWORD" <<'SQL'
CREATE ROLE cs_dagster LOGIN PASSWORD :'password';
CREATE DATABASE dagster OWNER cs_dagster;
REVOKE ALL ON DATABASE dagster FROM PUBLIC;
CREATE DATABASE warehouse;
SQL
psql --username postgres --dbname warehouse --set ON_ERROR_STOP=1 --file "$deploy/roles.sql"
psql --username postgres --dbname warehouse --set ON_ERROR_STOP=1 \
    --set owner="$OWNER_PASSWORD" --set app="$APP_PASSWORD" <<'SQL'
ALTER ROLE cs_owner PASSWORD :'owner';
ALTER ROLE cs_app PASSWORD :'app';
SQL
