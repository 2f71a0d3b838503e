package acceptance

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

// Few connections serve tenants in turns, and are left in every state that a connection can be left in: by requests whose caller
// goes away while they wait in the middle of a transaction, by statements that are cancelled, refused or cut, and by somebody who
// uses the same connections and leaves settings behind. Nobody ever sees another tenant, and nothing of a request stays.
func TestPoisonedPool(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	tenants := []*tenant{s.furnished(t, "Fenwick"), s.furnished(t, "Galeport")}
	s.DB.SQL.SetMaxOpenConns(2)
	aside, err := sqlx.Open("postgres", s.DB.URL) // connections of its own
	if err != nil {
		t.Fatal(err)
	}
	defer aside.Close()
	random := rand.New(rand.NewPCG(1, 1))
	p := poisoner{s, aside}
	for round := range 24 {
		own, other := tenants[round%2], tenants[1-round%2]
		if random.IntN(2) == 0 {
			own, other = other, own
		}
		switch round % 6 {
		case 0:
			p.leaves(t, own)
		case 1:
			p.broken(t, own, "pg_cancel_backend")
		case 2:
			p.broken(t, own, "pg_terminate_backend")
		case 3:
			p.pollutes(t, `SELECT set_config('handover.organization_id', '`+other.ID.String()+`', false)`)
		case 4:
			p.pollutes(t, `SELECT set_config('role', 'handover_service', false), set_config('handover.organization_id', '`+own.ID.String()+`', false)`)
		case 5:
			s.ask(t, own.Admin.Token, "upsertStaffByExternalId", inPath("external_id", newID().String()).
				sending(with(newMember("member"), "email", own.mark+own.staff.ID.String()+"@example.org"))).problem(409, "email_taken")
		}
		for range 3 { // over both connections
			for _, turn := range []struct{ own, other *tenant }{{own, other}, {other, own}} {
				for _, operationID := range []string{"getMe", "listPeople", "listAuditEvents"} {
					got := s.ask(t, turn.own.Admin.Token, operationID, ask{}).must(200)
					turn.other.inNobody(t, operationID, got)
					if !strings.Contains(string(got.Body), turn.own.mark) {
						t.Errorf("%s does not show what is there: %.300s", operationID, got.Body)
					}
				}
				s.ask(t, turn.own.Admin.Token, "getPerson", inPath("person_id", turn.other.clientID.String())).problem(404, "not_found")
			}
		}
		if round%6 != 3 && round%6 != 4 {
			p.clean(t)
		}
		p.heal(t)
	}
}

type poisoner struct {
	service *service
	aside   *sqlx.DB
}

// waiting starts a change that waits in the middle of its transaction, for a person who is held from aside; go lets go of it.
func (p poisoner) waiting(t *testing.T, of *tenant) (cancel func(), done chan int, release func()) {
	t.Helper()
	tx, err := p.aside.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `SELECT FROM people WHERE organization_id = $1 AND id = $2 FOR UPDATE`, of.ID, of.clientID); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	body := object{"selection": people(of.clientID), "change": change("replace", object{"staff_ids": idsOf(of.staff), "task_policy": "keep"})}
	request := newRequest(t, p.service.URL, of.Admin.Token, "POST", "/v1/manage-assignments", body, nil).WithContext(ctx)
	done = make(chan int, 1)
	go func() {
		response, err := (&http.Client{}).Do(request)
		if err != nil {
			done <- 0
			return
		}
		response.Body.Close()
		done <- response.StatusCode
	}()
	eventually(t, "the change waits for a lock", func() bool { return p.waiters(t) == 1 })
	return leave, done, func() { _ = tx.Rollback() }
}

const waitsForALock = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`

func (p poisoner) waiters(t *testing.T) (count int) {
	t.Helper()
	if err := p.aside.GetContext(t.Context(), &count, `SELECT count(*) `+waitsForALock); err != nil {
		t.Fatal(err)
	}
	return count
}

// leaves has a caller go away in the middle of a transaction.
func (p poisoner) leaves(t *testing.T, of *tenant) {
	t.Helper()
	leave, done, release := p.waiting(t, of)
	defer release()
	leave()
	if status := <-done; status != 0 {
		t.Errorf("who went away was answered %d", status)
	}
	eventually(t, "nothing waits for who went away", func() bool { return p.waiters(t) == 0 })
}

// broken has the database end a statement, or its connection, in the middle of a transaction.
func (p poisoner) broken(t *testing.T, of *tenant, how string) {
	t.Helper()
	leave, done, release := p.waiting(t, of)
	defer leave()
	defer release()
	if _, err := p.aside.ExecContext(t.Context(), `SELECT `+how+`(pid) `+waitsForALock); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 503 {
		t.Errorf("after %s the caller got %d", how, status)
	}
}

// pollutes leaves settings behind on every connection of the pool.
func (p poisoner) pollutes(t *testing.T, statement string) {
	t.Helper()
	p.each(t, func(conn *sqlx.Conn) {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	})
}

// heal takes back what was left behind.
func (p poisoner) heal(t *testing.T) { p.pollutes(t, `RESET ROLE; RESET handover.organization_id`) }

// each works on both connections of the pool.
func (p poisoner) each(t *testing.T, work func(*sqlx.Conn)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 2 {
		conn, err := p.service.DB.SQL.Connx(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		work(conn)
	}
}

// clean fails the test where anything of a request is left on a connection.
func (p poisoner) clean(t *testing.T) {
	t.Helper()
	p.each(t, func(conn *sqlx.Conn) {
		var left string
		if err := conn.GetContext(t.Context(), &left, `
			SELECT concat_ws(' ', CASE WHEN current_user <> session_user THEN 'role ' || current_user END,
				'organization ' || nullif(current_setting('handover.organization_id', true), ''),
				CASE WHEN pg_current_xact_id_if_assigned() IS NOT NULL THEN 'a transaction' END,
				(SELECT string_agg(name || ' ' || setting, ' ') FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'plan_cache_mode', 'idle_in_transaction_session_timeout')
					AND setting <> boot_val AND source = 'session'))`); err != nil {
			t.Fatal(err)
		}
		if left != "" {
			t.Errorf("a connection was left with: %s", left)
		}
	})
}
