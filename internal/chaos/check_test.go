package chaos

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/invariants"
	"handover/internal/testmail"
)

// endsWithin is how soon every run ends by itself, once its time has come.
const endsWithin = 90 * time.Second

// eventually waits until nothing is amiss; amiss tells what.
func (s *storm) eventually(patience time.Duration, what string, amiss func() (string, error)) {
	began := time.Now()
	for {
		left, err := amiss()
		if err == nil && left == "" {
			s.tally.longest(what, time.Since(began))
			return
		}
		if time.Since(began) > patience {
			s.fail("did not come to pass within %s: %s: %s %v", patience, what, left, err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// none is amiss where a query counts something.
func (s *storm) none(query string, args ...any) func() (string, error) {
	return func() (string, error) {
		var count int
		if err := s.db.Get(&count, query, args...); err != nil || count == 0 {
			return "", err
		}
		return fmt.Sprintf("there are %d", count), nil
	}
}

// check looks at what a round has left: once nobody is at work any more, everything must be as the answers said.
func (s *storm) check(round int, before *invariants.Snapshot) {
	s.t.Helper()
	s.eventually(endsWithin, "every run has ended by itself", s.none(`SELECT count(*) FROM runs WHERE status IN ('scheduled', 'queued', 'running')`))
	s.eventually(endsWithin, "clients are as CaMS has them", func() (string, error) {
		behind, err := s.behind()
		return strings.Join(behind[:min(len(behind), 5)], "; "), err
	})
	if s.failed.Load() {
		return
	}
	began := time.Now()
	changed := []uuid.UUID{s.importing}
	for _, o := range s.organizations {
		changed = append(changed, o.ID)
	}
	found, err := invariants.Check(s.t.Context(), s.db, invariants.Options{Before: before, Changed: changed, Acknowledged: s.ledger.acknowledged})
	if err != nil {
		s.fail("check the invariants: %v", err)
	}
	for _, violation := range found {
		s.fail("round %d: %s%s", round, violation, s.about(violation))
	}
	s.tally.count("checked: rounds of I1 to I8", 1)
	s.tally.count("checked: runs acknowledged that are there", len(s.ledger.acknowledged))
	s.ledger.acknowledged = nil
	s.once()
	s.failedRuns()
	s.mailsOnce()
	s.t.Logf("round %d: looked at in %s", round, time.Since(began).Round(time.Millisecond))
}

// about is what else is known of what a violation is about.
func (s *storm) about(violation invariants.Violation) string {
	var lines []string
	if err := s.db.Select(&lines, `
		SELECT 'job ' || kind || ' ' || state || ' attempt ' || attempt || ' ' || args || ' ' || metadata || ' ' || coalesce(errors::text, '') FROM river.river_job
		WHERE args ->> 'notification_id' = $1::uuid::text OR args ->> 'run_id' = $2::uuid::text
		UNION ALL SELECT 'notification ' || to_jsonb(n)::text FROM notifications n WHERE n.id = $1::uuid
		UNION ALL SELECT 'run ' || left(to_jsonb(r)::text, 2000) FROM runs r WHERE r.id = $2::uuid
		UNION ALL SELECT 'audit ' || to_jsonb(e)::text FROM audit_events e WHERE e.subject_id = $1::uuid
		UNION ALL SELECT 'item ' || to_jsonb(i)::text FROM run_items i WHERE i.item_id = $1::uuid
		LIMIT 30`, violation.Subject, violation.Run); err != nil {
		return " " + err.Error()
	}
	return "\n" + strings.Join(lines, "\n")
}

// once holds what is there under each key against what its answer said: it is there once, or not at all.
func (s *storm) once() {
	made := map[string]map[string]int{}
	for what, query := range map[string]string{
		"run":    `SELECT reason, count(*) FROM runs WHERE reason IS NOT NULL AND NOT request ? 'return_of' GROUP BY reason`,
		"task":   `SELECT title, count(*) FROM tasks GROUP BY title`,
		"person": `SELECT last_name, count(*) FROM people GROUP BY last_name`,
		"edit":   `SELECT after ->> 'details', count(*) FROM audit_events WHERE run_id IS NULL AND subject_kind = 'task' AND after ->> 'details' IS DISTINCT FROM before ->> 'details' GROUP BY 1 HAVING after ->> 'details' IS NOT NULL`,
	} {
		rows, err := s.db.Query(query)
		if err != nil {
			s.fail("look for what was made: %v", err)
			return
		}
		made[what] = map[string]int{}
		for rows.Next() {
			var key string
			var count int
			if err := rows.Scan(&key, &count); err != nil {
				s.fail("%v", err)
			}
			made[what][key] = count
		}
		if err := rows.Err(); err != nil {
			s.fail("%v", err)
		}
		_ = rows.Close() // read to their end
	}
	for key, asked := range s.ledger.entries {
		there := made[asked.made][key]
		switch {
		case asked.answered && asked.good && there != 1:
			s.fail("%s %s of organization %s was acknowledged, and is there %d times", asked.made, key, asked.organization, there)
		case asked.answered && !asked.good && there != 0:
			s.fail("%s %s of organization %s was refused, and is there %d times", asked.made, key, asked.organization, there)
		case there > 1:
			s.fail("%s %s of organization %s is there %d times", asked.made, key, asked.organization, there)
		}
		s.tally.count("checked: keys whose work is there once, or not at all where it was refused", 1)
	}
	clear(s.ledger.entries)
}

// failedRuns looks for runs that failed for anything but a rule, or a statement that was cancelled (pg_cancel_backend), which to the
// service is one that took too long.
func (s *storm) failedRuns() {
	var failed []string
	if err := s.db.Select(&failed, `
		SELECT organization_id || ' ' || id || ' ' || coalesce(error::text, '') FROM runs WHERE status = 'failed'
		AND error ->> 'code' NOT IN ('existing_assignments', 'task_policy_required', 'no_remaining_staff', 'revision_stale', 'already_undone', 'not_undoable', 'timed_out') LIMIT 5`); err != nil {
		s.fail("look for failed runs: %v", err)
	}
	for _, run := range failed {
		s.fail("a run failed for no rule: %s", run)
	}
}

// arrived counts the mails that have arrived, by their id and receiver.
func (s *storm) arrived() map[string]int {
	arrived := map[string]int{}
	for _, mail := range s.mails.Mails() {
		parsed, err := testmail.Parse(mail.Text)
		if err != nil {
			s.fail("%v\n%s", err, mail.Text)
			continue
		}
		arrived[parsed.ID+" "+mail.To]++
	}
	return arrived
}

// mailsOnce looks for mails that came twice.
func (s *storm) mailsOnce() {
	arrived := s.arrived()
	for mail, count := range arrived {
		if count > 1 {
			s.fail("the mail %s came %d times", mail, count)
		}
	}
}

// settled waits until every mail was sent, and holds those that came against those that were.
func (s *storm) settled() {
	s.t.Helper()
	s.mails.Troubled(nil)
	s.eventually(3*time.Minute, "every mail has been sent", s.none(`
		SELECT count(*) FROM river.river_job WHERE kind IN ('mail', 'invitation') AND state NOT IN ('completed', 'cancelled', 'discarded')`))
	if s.failed.Load() {
		return
	}
	if output, _, err := s.handover(0, "audit", "verify"); err != nil {
		s.fail("the audit trail does not verify: %v\n%s", err, output)
	} else {
		s.tally.count("checked: audit trails verified", organizations+2)
	}
	arrived := s.arrived()
	var told []struct {
		ID     uuid.UUID `db:"id"`
		Email  string    `db:"email"`
		Status string    `db:"email_status"`
	}
	if err := s.db.Select(&told, `
		SELECT n.id, s.email, n.email_status FROM notifications n JOIN staff s ON s.organization_id = n.organization_id AND s.id = n.staff_id`); err != nil {
		s.fail("look for mails: %v", err)
	}
	s.tally.count("checked: mails that came once, invitations among them", len(arrived))
	statuses := map[string]int{}
	for _, n := range told {
		statuses[n.Status]++
		if count := arrived["<"+n.ID.String()+"@firm.example> "+n.Email]; n.Status == "sent" && count != 1 || count > 1 || n.Status == "none" && count != 0 {
			s.fail("the mail of notification %s is %s, and came %d times", n.ID, n.Status, count)
		}
	}
	for status, count := range statuses {
		s.tally.count("checked: mails of notifications that are "+status, count)
	}
	s.tally.count("checked: in the end, mails held against those that came", len(told))
}
