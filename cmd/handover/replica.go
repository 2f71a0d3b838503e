package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/lib/pq"

	"handover/internal/postgres"
)

// replicaFlags say where a copy of the database is that may be read.
type replicaFlags struct {
	ReplicaDatabaseURL string        `help:"A streaming replica of the database, for reads of callers who say how new they must be." env:"HANDOVER_REPLICA_DATABASE_URL" placeholder:"URL"`
	ReplicaPatience    time.Duration `help:"How long a read waits for the replica before it goes to the primary." env:"HANDOVER_REPLICA_PATIENCE" default:"500ms"`
}

// use has the store read from the replica, and gives it; nil where there is none. It need not answer yet: what it cannot do the
// primary does.
func (f replicaFlags) use(opened *database, flags databaseFlags, log *slog.Logger) (*postgres.Replica, error) {
	if f.ReplicaDatabaseURL == "" {
		return nil, nil
	}
	url := pooledURL(f.ReplicaDatabaseURL, flags.Pooled)
	if _, err := pq.NewConfig(url); err != nil {
		return nil, errors.New("HANDOVER_REPLICA_DATABASE_URL is not the address of a PostgreSQL database, such as postgres://user:password@host:5432/name")
	}
	db, err := postgres.Open(url)
	if err != nil {
		return nil, err
	}
	flags.limit(db)
	replica := postgres.NewReplica(db, postgres.ReplicaOptions{KeepPrepared: !flags.Pooled, Patience: f.ReplicaPatience, Log: log})
	opened.store.UseReplica(replica)
	opened.replica = db
	return replica, nil
}
