package acceptance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"handover/api"
	"handover/internal/invariants"
)

// runsAtOnce is how many runs of an organization are at work at once in these tests.
const runsAtOnce = 2

// queueMany asks for as many runs, each of a person of its own.
func (w *world) queueMany(number int) []answer {
	w.t.Helper()
	to := w.member("member")
	queued := make([]answer, number)
	for i := range queued {
		queued[i] = w.queue(w.Admin, people(w.person("client")), change("assign", staffed(to)))
	}
	return queued
}

// withStatus counts the organization's runs of a status.
func (w *world) withStatus(status string) int {
	w.t.Helper()
	return w.count(`SELECT count(*) FROM runs WHERE organization_id = $1 AND status = $2`, w.ID, status)
}

// holdPeople locks the people of an organization, so that its changes wait, until the test or release ends it.
func (w *world) holdPeople() (release func()) {
	w.t.Helper()
	tx, err := w.service.DB.SQL.BeginTxx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.ExecContext(w.t.Context(), `SELECT FROM people WHERE organization_id = $1 FOR UPDATE`, w.ID); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			w.t.Error(err)
		}
	}
}

// An organization that has asked for a great many runs, before all others, does not delay the one run of another.
func TestRunsTakeTurns(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	noisy, other := s.organization(t), s.organization(t)
	many := noisy.queueMany(60)
	one := other.queueMany(1)[0]
	if waiting := noisy.count(`SELECT count(*) FROM waiting_runs WHERE organization_id = $1`, noisy.ID); waiting != 60-runsAtOnce {
		t.Errorf("%d runs wait", waiting)
	}
	s.work(t)
	if run := other.finished(one); run.Status != "succeeded" {
		t.Fatalf("got run %+v", run)
	}
	// Counted at the moment at which the other's run ended, and so whatever the speed of the machine.
	before := noisy.count(`SELECT count(*) FROM runs n, runs o WHERE n.organization_id = $1 AND o.organization_id = $2 AND n.finished_at < o.finished_at`, noisy.ID, other.ID)
	if before > 3*runsAtOnce {
		t.Errorf("%d of the runs of the one that was first had ended before the other's", before)
	}
	for i, queued := range many {
		if run := noisy.finished(queued); run.Status != "succeeded" || run.Totals.PeopleChanged != 1 {
			t.Errorf("run %d: got %+v", i, run)
		}
	}
	started := noisy.ids(`SELECT id FROM runs WHERE organization_id = $1 ORDER BY started_at`, noisy.ID)
	for place, id := range noisy.ids(`SELECT id FROM runs WHERE organization_id = $1 ORDER BY id`, noisy.ID) {
		if far := slices.Index(started, id) - place; far > runsAtOnce || far < -runsAtOnce {
			t.Errorf("the run that was asked for as number %d began %d places off", place, far)
		}
	}
	if left := noisy.count(`SELECT count(*) FROM waiting_runs`); left != 0 {
		t.Errorf("%d runs wait still", left)
	}
	s.invariant(t, invariants.Options{})
}

// However many workers there are, no more runs of one organization are at work than may be; those of others are meanwhile.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.work(t)
	noisy, other := s.organization(t), s.organization(t)
	lea, ann := noisy.member("member"), noisy.member("member")
	person := noisy.person("client", lea)
	release := noisy.holdPeople()
	var queued []answer
	for i := range 6 { // each waits for the same person once it has begun
		queued = append(queued, noisy.queue(noisy.Admin, people(person), change("replace", object{"staff_ids": idsOf([]member{ann, lea}[i%2]), "task_policy": "keep"})))
	}
	due := soon(time.Second)
	for range 3 { // those whose time has come wait as well
		queued = append(queued, noisy.reassign(handOver(lea, given("people", "", ann), object{"run_at": due})).must(202))
	}
	eventually(t, "as many are at work as may be", func() bool { return noisy.withStatus("running") == runsAtOnce })
	eventually(t, "the scheduled ones wait for their turn", func() bool {
		return noisy.count(`SELECT count(*) FROM waiting_runs w JOIN runs r ON r.organization_id = w.organization_id AND r.id = w.run_id WHERE w.organization_id = $1 AND r.status = 'scheduled'`, noisy.ID) == 3
	})
	for _, run := range other.queueMany(5) {
		if run := other.finished(run); run.Status != "succeeded" {
			t.Errorf("got run %+v", run)
		}
	}
	if working := noisy.withStatus("running"); working != runsAtOnce {
		t.Errorf("%d runs are at work", working)
	}
	if waiting := noisy.withStatus("queued"); waiting != 6-runsAtOnce {
		t.Errorf("%d runs are queued", waiting)
	}
	// One that waits can be cancelled; its turn is the next one's.
	cancelled := decode[api.Run](queued[4])
	noisy.cancel(noisy.Admin, cancelled, object{}).must(200)
	release()
	for i, queued := range queued {
		run := decode[api.Run](queued)
		if i == 4 {
			continue
		}
		if run = noisy.endOf(run); run.Status != "succeeded" {
			t.Errorf("run %d: got %+v", i, run)
		}
	}
	if again := noisy.reread(cancelled); again.Status != "cancelled" {
		t.Errorf("got run %+v", again)
	}
	eventually(t, "nothing waits", func() bool { return noisy.count(`SELECT count(*) FROM waiting_runs`) == 0 })
	s.invariant(t, invariants.Options{})
}

// A turn that nobody gave, since the run before was ended by a worker that knew nothing of turns, is given all the same.
func TestForgottenTurns(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	queued := w.queueMany(runsAtOnce + 1)
	for _, first := range queued[:runsAtOnce] {
		w.exec(`UPDATE runs SET status = 'failed', finished_at = now() WHERE organization_id = $1 AND id = $2`, w.ID, decode[api.Run](first).ID.MustGet())
	}
	w.exec(`DELETE FROM river.river_job WHERE state = 'available'`)
	s.work(t)
	if run := w.finished(queued[runsAtOnce]); run.Status != "succeeded" {
		t.Errorf("got run %+v", run)
	}
}

// An organization whose requests all wait for its own rows takes no connection that another needs: of the other's requests none
// waits, and none is refused.
func TestNoisyOrganizationLeavesConnections(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	noisy, other := s.organization(t), s.organization(t)
	person, ann := noisy.person("client"), noisy.member("member")
	release := noisy.holdPeople()
	limit := s.DB.SQL.Stats().MaxOpenConnections
	const beyond = 5
	done := make(chan int, limit+beyond)
	for range limit + beyond {
		go func() {
			got := noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", wish(people(person), change("replace", object{"staff_ids": idsOf(ann), "task_policy": "keep"})))
			done <- got.Status
		}()
	}
	eventually(t, "its share of the connections waits", func() bool { return waitingForLocks(t, s.DB.SQL) >= limit-max(1, limit/5)-1 })
	for i := range 30 {
		other.get(other.Admin, "/v1/people").must(200)
		other.as(other.Admin, "POST", "/v1/tasks", object{"title": fmt.Sprint("Task ", i)}).must(201)
	}
	if len(done) != 0 {
		t.Error("requests that were to wait have been answered")
	}
	release()
	for range limit + beyond {
		if status := <-done; status != 200 {
			t.Errorf("got status %d", status)
		}
	}
}

// Large changes within requests have places of their organization: what is beyond them waits for a while without locking anything, and is
// told to come again. Small ones of the same organization go on, and so do large ones of others.
func TestLargeChangesHavePlaces(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	const large = 1000
	everybody := func(w *world) object {
		w.exec(`INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at)
			SELECT $1, gen_random_uuid(), 'referral', 'active', 'Person', 'Of many', now(), now() FROM generate_series(1, $2)`, w.ID, large)
		return wish(matching(object{"kind": []string{"referral"}}), change("replace", object{"staff_ids": idsOf(w.Admin), "task_policy": "keep"}))
	}
	noisy, other := s.organization(t), s.organization(t)
	many := everybody(noisy)
	release := noisy.holdPeople()
	answers := make(chan answer, runsAtOnce)
	for range runsAtOnce {
		go func() { answers <- noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", many) }()
	}
	eventually(t, "as many wait for their rows as have a place", func() bool { return waitingForLocks(t, s.DB.SQL) == runsAtOnce })
	refused := noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", many)
	refused.problem(503, "too_busy")
	if refused.Header.Get("Retry-After") == "" {
		t.Error("it is not told when to try again")
	}
	noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", wish(people(noisy.person("client")), change("assign", staffed(noisy.Admin)))).must(200)
	noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", with(many, "dry_run", true)).must(200)
	other.as(other.Admin, "POST", "/v1/manage-assignments", everybody(other)).must(200)
	if len(answers) != 0 {
		t.Error("the first have been answered already")
	}
	release()
	for range runsAtOnce {
		(<-answers).must(200)
	}
	noisy.as(noisy.Admin, "POST", "/v1/manage-assignments", many).must(200)
}

// Who may not is told so, and neither waits for those whom others hold nor holds them.
func TestRefusedChangesLockNobody(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	person, stranger, helper := w.person("client"), w.member("member", "referrals"), w.member("member", "clients", "referrals")
	body := wish(people(person), change("assign", staffed(helper)))
	release := w.holdPeople()
	w.as(stranger, "POST", "/v1/manage-assignments", body).problem(403, "permission_denied")
	w.as(stranger, "POST", "/v1/remove-staff", object{"selection": people(person)}).problem(403, "permission_denied")
	w.as(stranger, "POST", "/v1/manage-assignments", wish(people(newID()), change("assign", staffed(helper)))).problem(422, "person_not_found")
	release()
	w.as(helper, "POST", "/v1/manage-assignments", body).must(200)
	w.servedBy(person, helper)
}

// waitingForLocks counts the statements that wait for others' rows.
func waitingForLocks(t testing.TB, db *sqlx.DB) int {
	t.Helper()
	var waiting int
	if err := db.GetContext(t.Context(), &waiting, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
		t.Fatal(err)
	}
	return waiting
}
