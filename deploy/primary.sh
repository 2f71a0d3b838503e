#!/bin/sh
# Lets the replica connect to the primary: the PostgreSQL image runs this once, when it makes the database.
set -eu
echo 'host replication all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
