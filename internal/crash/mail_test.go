package crash

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/testdb"
	"handover/internal/testmail"
)

const (
	// receivers is how many get a mail of one run.
	receivers = 50
	// mailedWithin is how soon the mails of a killed worker have been sent by another.
	mailedWithin = 2 * time.Minute
)

// B7: workers are killed and started again while mails go out. Nobody is mailed twice for one run, and everybody once,
// but for one whose end was about to be sent in the very instant: that is known, and never tried again.
func TestKillWorkerWhileMailing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	all := rounds(t, 3)
	organization, err := seed.New(t.Context(), db.SQL, seed.Size{People: all + 1, Staff: receivers + 2, Matters: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := testmail.Start(t, testmail.Config{})
	random := chance(t)
	server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
		if stage != testmail.Answered {
			time.Sleep(10 * time.Millisecond) // so that there is a middle to be killed in
		}
		return nil
	})
	environment := smtpVariable + "=smtp://" + server.Addr + "?starttls=never"
	services := []*process{start(t, db.URL, environment), start(t, db.URL, environment)}
	lost, kills := 0, 0
	for round := range all {
		run := services[0].insist(t, request{
			token: organization.Token, key: fmt.Sprintf("mails-%d", round),
			body: object{
				"selection": object{"type": "people", "person_ids": []uuid.UUID{organization.People[round]}},
				"change":    object{"type": "replace", "staff_ids": organization.Staff[2:], "task_policy": "keep"},
			},
		})
		if run.status != http.StatusOK {
			t.Fatalf("got status %d: %s", run.status, run.text)
		}
		for range 2 {
			which := random.IntN(len(services))
			moment := time.Duration(random.Int64N(int64(700 * time.Millisecond)))
			time.Sleep(moment)
			services[which].kill()
			kills++
			services[which] = start(t, db.URL, environment)
		}
		eventually(t, mailedWithin, "the mails are settled", func() bool {
			return countOf(t, db.SQL, `SELECT count(*) FROM river.river_job WHERE kind = 'mail' AND state NOT IN ('completed', 'cancelled', 'discarded')`) == 0
		})
		lost += mailed(t, db.SQL, server, run.run)
	}
	t.Logf("%d kills: of %d mails %d were about to be sent in that instant", kills, all*receivers, lost)
	if lost > kills {
		t.Errorf("%d mails are missing after %d kills", lost, kills)
	}
	found, err := invariants.Check(t.Context(), db.SQL, invariants.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

func countOf(t testing.TB, db *sqlx.DB, query string) (count int) {
	t.Helper()
	if err := db.GetContext(t.Context(), &count, query); err != nil {
		t.Fatal(err)
	}
	return count
}

// mailed fails the test unless each receiver of a run has got one mail, and tells how many have got none because their
// worker was killed when it was about to end the mail.
func mailed(t testing.TB, db *sqlx.DB, server *testmail.Server, run uuid.UUID) (lost int) {
	t.Helper()
	arrived := map[string]int{}
	for _, mail := range server.Mails() {
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
	if err := db.SelectContext(t.Context(), &told, `
		SELECT n.id, s.email, n.email_status FROM notifications n JOIN staff s ON s.organization_id = n.organization_id AND s.id = n.staff_id
		WHERE n.run_id = $1`, run); err != nil {
		t.Fatal(err)
	}
	if len(told) != receivers {
		t.Fatalf("%d of %d are told", len(told), receivers)
	}
	for _, receiver := range told {
		count := arrived["<"+receiver.ID.String()+"@firm.example>"+receiver.Email]
		switch {
		case count == 0 && receiver.Status == "handing_over":
			lost++
		case count != 1 || receiver.Status != "sent" && receiver.Status != "handing_over":
			t.Errorf("%s has got %d mails; the mail is %s", receiver.Email, count, receiver.Status)
		}
	}
	return lost
}
