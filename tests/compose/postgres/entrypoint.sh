#!/bin/bash
# Makes the cluster where PGDATA is empty, with the superuser's password and the scripts of /docker-entrypoint-initdb.d,
# then becomes the server.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --pgdata "$PGDATA" --username postgres --auth-local trust --auth-host scram-sha-256 \
    --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8 --locale C.UTF-8
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  # Without TCP: whoever asks over the network finds nothing yet.
  pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*.sh; do
    "$script"
  done
  pg_ctl --pgdata "$PGDATA" --wait --mode fast stop
fi
exec postgres -c listen_addresses='*'
