#!/bin/sh
# Starts a streaming replica in the PostgreSQL image: at its first start a copy of the primary, which it follows from then on.
# PRIMARY is the primary's host; POSTGRES_USER and POSTGRES_PASSWORD are those of it.
set -eu

if [ "$(id -u)" = 0 ]; then
  install -d -m 0700 -o postgres -g postgres "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  export PGPASSWORD="$POSTGRES_PASSWORD"
  # The slot keeps what the replica has not had yet, while it is away; max_slot_wal_keep_size of the primary bounds that.
  create=--create-slot
  until pg_basebackup --host="$PRIMARY" --username="$POSTGRES_USER" --pgdata="$PGDATA" --write-recovery-conf \
    --wal-method=stream --checkpoint=fast --slot=replica $create; do
    echo 'replica: the primary cannot be copied yet' >&2
    rm -rf "${PGDATA:?}"/* # what came of it so far
    if [ -n "$create" ]; then create=; else create=--create-slot; fi # an attempt that failed may have left the slot
    sleep 2
  done
fi
exec postgres "$@"
