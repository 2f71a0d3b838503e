# PgBouncer as Debian has it, which is what `make scale` and the tests run.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends pgbouncer && rm -rf /var/lib/apt/lists/*
USER postgres
EXPOSE 6432
# Whoever the service signs in as; the password is known when it starts, and stands in memory alone.
CMD ["sh", "-c", "umask 077 && printf '\"%s\" \"%s\"\\n' \"$POSTGRES_USER\" \"$POSTGRES_PASSWORD\" > /tmp/userlist.txt && exec pgbouncer /etc/pgbouncer/pgbouncer.ini"]
