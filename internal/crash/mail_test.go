package crash

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/riverqueue/river/rivertype"

	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/testdb"
	"handover/internal/testmail"
)

const (
	// receivers is how many get a mail of one run.
	receivers = 50
	// mailedWithin is how soon the mails of killed workers have been sent by others.
	mailedWithin = 3 * time.Minute
	// mailsAtOnce is how many mails a worker is at at the same time.
	mailsAtOnce = 8
)

// mailroom is an organization whose runs are mailed by workers that do not live long.
type mailroom struct {
	*seed.Organization
	db     *sqlx.DB
	server *testmail.Server
	runs   []uuid.UUID
}

func newMailroom(t testing.TB, db *sqlx.DB, runs int) *mailroom {
	t.Helper()
	organization, err := seed.New(t.Context(), db, seed.Size{People: runs + 1, Staff: receivers + 2, Matters: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := testmail.Start(t, testmail.Config{})
	server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
		if stage != testmail.Answered {
			time.Sleep(10 * time.Millisecond) // so that there is a middle to be killed in
		}
		return nil
	})
	return &mailroom{Organization: organization, db: db, server: server}
}

// environment has a service use the mail server.
func (m *mailroom) environment() string {
	return smtpVariable + "=smtp://" + m.server.Addr + "?starttls=never"
}

// run gives all receivers work, and so a mail.
func (m *mailroom) run(t testing.TB, service *process) {
	t.Helper()
	round := len(m.runs)
	run := service.insist(t, request{
		token: m.Token, key: fmt.Sprintf("mails-%d", round),
		body: object{
			"selection": object{"type": "people", "person_ids": []uuid.UUID{m.People[round]}},
			"change":    object{"type": "replace", "staff_ids": m.Staff[2:], "task_policy": "keep"},
		},
	})
	if run.status != http.StatusOK {
		t.Fatalf("got status %d: %s", run.status, run.text)
	}
	m.runs = append(m.runs, run.run)
}

// jobs is how many of the jobs of mails are in one of these states.
func (m *mailroom) jobs(t testing.TB, states ...rivertype.JobState) (count int) {
	t.Helper()
	if err := m.db.GetContext(t.Context(), &count, `SELECT count(*) FROM river.river_job WHERE kind = 'mail' AND state::text = ANY ($1)`, pq.Array(states)); err != nil {
		t.Fatal(err)
	}
	return count
}

// settled waits until nothing is to be done with any mail.
func (m *mailroom) settled(t testing.TB) {
	t.Helper()
	eventually(t, mailedWithin, "the mails are settled", func() bool {
		return m.jobs(t, rivertype.JobStateAvailable, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled, rivertype.JobStatePending) == 0
	})
}

// check fails the test unless each receiver of each run has got one mail, and nobody anything else.
func (m *mailroom) check(t testing.TB, what string) {
	t.Helper()
	if lost := m.lost(t, what); lost > 0 {
		t.Errorf("%d mails are lost", lost)
	}
}

// lost tells how many receivers have got no mail of a run, and fails the test where one has got several, or where it is not known
// of one that none may have come.
func (m *mailroom) lost(t testing.TB, what string) (lost int) {
	t.Helper()
	arrived := map[string]int{}
	for _, mail := range m.server.Mails() {
		parsed, err := testmail.Parse(mail.Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, mail.Text)
		}
		if parsed.To.Address != mail.To {
			t.Fatalf("a mail to %s was sent to %s", parsed.To.Address, mail.To)
		}
		arrived[parsed.ID+mail.To]++
	}
	var told []struct {
		ID     uuid.UUID `db:"id"`
		Email  string    `db:"email"`
		Status string    `db:"email_status"`
	}
	if err := m.db.SelectContext(t.Context(), &told, `
		SELECT n.id, s.email, n.email_status FROM notifications n JOIN staff s ON s.organization_id = n.organization_id AND s.id = n.staff_id
		WHERE n.run_id = ANY ($1::uuid[])`, pq.Array(m.runs)); err != nil {
		t.Fatal(err)
	}
	if len(told) != receivers*len(m.runs) {
		t.Fatalf("%d of %d are told", len(told), receivers*len(m.runs))
	}
	statuses := map[string]int{}
	for _, receiver := range told {
		id := "<" + receiver.ID.String() + "@firm.example>" + receiver.Email
		count := arrived[id]
		delete(arrived, id)
		statuses[receiver.Status]++
		switch {
		case count == 1 && (receiver.Status == "sent" || receiver.Status == "handing_over"):
		case count == 0 && receiver.Status == "handing_over":
			lost++
		default:
			t.Errorf("%s has got %d mails; the mail is %s", receiver.Email, count, receiver.Status)
		}
	}
	t.Logf("%s: %d mails (%v), %d lost", what, len(told), statuses, lost)
	if len(arrived) != 0 {
		t.Errorf("there are mails that nobody is told of: %v", arrived)
	}
	found, err := invariants.Check(t.Context(), m.db, invariants.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
	return lost
}

// B7: workers are killed and started again at any moment while mails go out. Everybody gets one mail for each run.
func TestKillWorkerWhileMailing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	all := rounds(t, 3)
	m := newMailroom(t, db.SQL, all)
	random := chance(t)
	services := []*process{start(t, db.URL, m.environment()), start(t, db.URL, m.environment())}
	kills := 0
	for range all {
		m.run(t, services[0])
		for range 2 {
			which := random.IntN(len(services))
			time.Sleep(time.Duration(random.Int64N(int64(700 * time.Millisecond))))
			services[which].kill()
			kills++
			services[which] = start(t, db.URL, m.environment())
		}
	}
	m.settled(t)
	m.check(t, fmt.Sprintf("%d kills", kills))
}

// slowCommits makes COMMIT of the record that a mail is being handed over take long, as a slow disk does, so that most of handing
// over is the very instant of which a mail is lost or doubled where its end does not leave with COMMIT.
const slowCommits = `
	CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON notifications DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		WHEN (OLD.email_status = 'offered' AND NEW.email_status = 'handing_over') EXECUTE FUNCTION slow_commit()`

// B7: the same, where workers kill themselves around the very instant in which the end of a mail leaves.
func TestKillWorkerInTheInstantOfMailing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	all := rounds(t, 10)
	m := newMailroom(t, db.SQL, all+1)
	if _, err := db.SQL.ExecContext(t.Context(), slowCommits); err != nil {
		t.Fatal(err)
	}
	desk := start(t, db.URL) // sends none
	for range all {
		if m.jobs(t, rivertype.JobStateAvailable) < receivers { // more than any of them lives through
			m.run(t, desk)
		}
		start(t, db.URL, m.environment(), dyingVariable+"=true").died(t)
	}
	start(t, db.URL, m.environment())
	m.settled(t)
	m.check(t, fmt.Sprintf("%d kills", all))
}

// B7: connections to the database are cut at any moment, as by a fail-over. Everybody gets one mail for each run.
func TestCutConnectionsWhileMailing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	all := rounds(t, 2)
	m := newMailroom(t, db.SQL, all)
	random := chance(t)
	service := start(t, db.URL, m.environment())
	cuts := 0
	for range all {
		m.run(t, service)
		for range 8 {
			time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
			var cut int
			if err := db.SQL.GetContext(t.Context(), &cut, `
				SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, applicationName); err != nil {
				t.Fatal(err)
			}
			cuts += cut
		}
	}
	m.settled(t)
	m.check(t, fmt.Sprintf("%d cuts", cuts))
}

// B7: processes of PostgreSQL are killed, upon which it ends all its connections and recovers. Everybody gets one mail for each run.
func TestKillPostgreSQLWhileMailing(t *testing.T) {
	t.Parallel()
	server, db := newPostgreSQL(t, newFolder(t))
	all := rounds(t, 2)
	m := newMailroom(t, db, all)
	random := chance(t)
	service := start(t, server.URL(), m.environment())
	answers := func() bool { return db.PingContext(t.Context()) == nil }
	for range all {
		m.run(t, service)
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		var pid int
		if err := db.GetContext(t.Context(), &pid, `SELECT pid FROM pg_stat_activity WHERE application_name = $1 LIMIT 1`, applicationName); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		eventually(t, finishesWithin, "PostgreSQL has recovered", answers)
	}
	m.settled(t)
	m.check(t, fmt.Sprintf("%d kills of PostgreSQL", all))
}

// B7: the mail server ends at any moment and is started again. Nobody is mailed twice; of a mail that it had whole and gave no answer to,
// nobody knows whether it has arrived, and that is known.
func TestKillMailServerWhileMailing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	all := rounds(t, 3)
	m := newMailroom(t, db.SQL, all)
	random := chance(t)
	service := start(t, db.URL, m.environment())
	for range all {
		m.run(t, service)
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		m.server.Down()
		time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
		if err := m.server.Up(); err != nil {
			t.Fatal(err)
		}
	}
	m.settled(t)
	if lost := m.lost(t, fmt.Sprintf("%d ends of the mail server", all)); lost > all*mailsAtOnce {
		t.Errorf("%d mails are lost, more than there can have been on their way", lost)
	}
}
