package deploy

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"handover/internal/testdb"
)

// The version before the newest migrations works beside this one on the schema of this one, which is brought up while it works under
// load; and it can be started on it again, which is how to go back.
func TestTwoVersionsOnOneSchema(t *testing.T) {
	t.Parallel()
	before, err := previous()
	if errors.Is(err, errNoHistory) {
		t.Skipf("the version before cannot be built, where the repository has no history (git fetch --unshallow): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	now, db := binary(t, newest), testdb.NewEmpty(t)
	run(t, before, db.URL, "migrate", "up")
	old := state(t, before, db.URL)
	if newer := state(t, now, db.URL); old.Version != old.Latest || newer.Latest <= old.Latest {
		t.Fatalf("the schema before is %+v, for this version %+v", old, newer)
	}
	of := organization(t, db.SQL, 50)
	f := &fleet{}
	first := serve(t, before, db.URL)
	f.watch(t, first)
	l := under(t, f, of)
	l.goOn(60)

	second := serve(t, now, db.URL) // which brings the schema up
	f.watch(t, second)
	l.goOn(120)
	newer := state(t, now, db.URL)
	if newer.Version != newer.Latest || newer.Version <= old.Version {
		t.Fatalf("the schema is %+v", newer)
	}
	run(t, before, db.URL, "migrate", "up")
	if again := state(t, before, db.URL); again.Version != newer.Version || again.Dirty {
		t.Fatalf("the version before has made the schema %+v", again)
	}
	if !first.isReady() {
		t.Error("the version before is not ready on the newer schema")
	}

	back := serve(t, before, db.URL)
	f.watch(t, back)
	l.goOn(120)
	for _, p := range []*process{first, back} {
		f.leaveOut(p)
		l.goOn(60)
		p.end()
	}
	l.goOn(60)
	l.end()
	for _, p := range []*process{first, second, back} {
		if l.by(p) == 0 {
			t.Errorf("%s has answered nothing", p.URL)
		}
	}
	// Whichever version's worker took them, all runs are done in the end. What one version leaves to its workers alone, such as giving
	// those their turn that wait for it, may have waited for the other to be gone.
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var left int
		if err := db.SQL.Get(&left, `SELECT count(*) FROM runs WHERE status <> 'succeeded'`); err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			t.Logf("all runs were done %s after the load had ended", time.Since(began).Round(time.Millisecond))
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d runs are not done", left)
		}
	}
}

type schemaState struct {
	Version, Latest int
	Dirty           bool
}

func state(t testing.TB, program, database string) (read schemaState) {
	t.Helper()
	if err := json.Unmarshal([]byte(run(t, program, database, "migrate", "status", "--json")), &read); err != nil {
		t.Fatal(err)
	}
	return read
}
