package acceptance

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/invariants"
	"handover/internal/mail"
	"handover/internal/testmail"
	"handover/internal/worker"
)

// mailing lets the service send its mails to a server.
func mailing(t testing.TB, server *testmail.Server) serviceOption {
	t.Helper()
	mailer := mailerTo(t, server)
	return func(o *serviceOptions) { o.mailer = mailer }
}

func mailerTo(t testing.TB, server *testmail.Server) app.Mailer {
	t.Helper()
	mailer, err := mail.New(mail.Options{
		SMTPURL: "smtp://" + server.Addr + "?starttls=never&timeout=500ms", From: "Handover <handover@firm.example>", Link: "https://handover.example/n/{id}",
	})
	if err != nil {
		t.Fatal(err)
	}
	return mailer
}

func address(m member) string { return m.ID.String() + "@example.org" }

// mailsTo are the mails that a member has got, parsed.
func mailsTo(t testing.TB, server *testmail.Server, m member) []testmail.Parsed {
	t.Helper()
	var got []testmail.Parsed
	for _, arrived := range server.Mails() {
		if arrived.To != address(m) {
			continue
		}
		parsed, err := testmail.Parse(arrived.Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, arrived.Text)
		}
		if parsed.To.Address != address(m) {
			t.Fatalf("the mail says that it is to %s", parsed.To.Address)
		}
		got = append(got, parsed)
	}
	return got
}

// settled waits until there is nothing more to do with the mails of an organization.
func (w *world) settled() {
	w.t.Helper()
	eventually(w.t, "the mails are settled", func() bool {
		return w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'mail' AND args ->> 'organization_id' = $1 AND state NOT IN ('completed', 'discarded', 'cancelled')`, w.ID.String()) == 0
	})
}

// statusOf is what became of the mail of a notification.
func (w *world) statusOf(notification uuid.UUID) (status string) {
	w.t.Helper()
	if err := w.service.DB.SQL.GetContext(w.t.Context(), &status, `SELECT email_status FROM notifications WHERE organization_id = $1 AND id = $2`, w.ID, notification); err != nil {
		w.t.Fatal(err)
	}
	return status
}

func one(t testing.TB, mails []testmail.Parsed) testmail.Parsed {
	t.Helper()
	if len(mails) != 1 {
		t.Fatalf("got %d mails, want one", len(mails))
	}
	return mails[0]
}

func TestMails(t *testing.T) {
	t.Parallel()
	server := testmail.Start(t, testmail.Config{})
	refusing := make(map[string]bool)
	var lock sync.Mutex
	server.Troubled(func(stage testmail.Stage, to string) *testmail.Trouble {
		lock.Lock()
		defer lock.Unlock()
		switch {
		case stage == testmail.Receiver && strings.HasPrefix(to, "nobody-"):
			return &testmail.Trouble{Code: 550}
		case stage == testmail.End && strings.HasPrefix(to, "lost-") && !refusing[to]:
			refusing[to] = true
			return &testmail.Trouble{Drop: true, Keep: true}
		}
		return nil
	})
	s := start(t, mailing(t, server))

	s.rule(t, "B7 whoever receives work gets one mail for the run, however many items, and the leaver one too", func(t *testing.T, w *world) {
		lea, ann, bob, eve := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		for range 5 {
			matter := w.matter("everyone", lea)
			w.due(w.workOn(matter, lea), time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
			w.workOn(matter, lea, eve)
		}
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "", bob)))
		w.settled()
		anns, bobs, leas := one(t, mailsTo(t, server, ann)), one(t, mailsTo(t, server, bob)), one(t, mailsTo(t, server, lea))
		for _, test := range []struct {
			got  testmail.Parsed
			of   member
			want string
		}{
			{anns, ann, "You have received 5 matters from Member " + lea.ID.String()[30:]},
			{bobs, bob, "You have received 10 tasks from Member " + lea.ID.String()[30:]},
			{leas, lea, "Your work was handed over: 5 matters and 10 tasks"},
		} {
			notification := w.toldOnce(test.of, run)
			if test.got.Subject != test.want {
				t.Errorf("got subject %q, want %q", test.got.Subject, test.want)
			}
			if test.got.ID != "<"+notification.ID.String()+"@firm.example>" {
				t.Errorf("got Message-ID %q", test.got.ID)
			}
			link := "https://handover.example/n/" + notification.ID.String()
			if !strings.Contains(test.got.Plain, link) || !strings.Contains(test.got.HTML, link) {
				t.Errorf("the link is missing:\n%s", test.got.Plain)
			}
			if status := w.statusOf(notification.ID); status != "sent" {
				t.Errorf("got status %s", status)
			}
		}
		if first, dated := strings.Index(bobs.Plain, ", due "), strings.Index(bobs.Plain, ", no due date"); first < 0 || dated <= first {
			t.Errorf("what is due next does not come first:\n%s", bobs.Plain)
		}
		first := w.toldOnce(bob, run).Items[0]
		line := "- Task: Task — " + first.Concerns.MustGet().Label + ", due " + first.DueOn.MustGet().Format("Mon 2 Jan 2006") + "\n"
		if !strings.Contains(strings.ReplaceAll(bobs.Plain, "\r\n", "\n"), line) {
			t.Errorf("the line %q is missing:\n%s", line, bobs.Plain)
		}
		if got := append(mailsTo(t, server, eve), mailsTo(t, server, w.Admin)...); len(got) != 0 {
			t.Errorf("somebody who received nothing got %+v", got)
		}
	})

	s.rule(t, "B7 managing assignments mails the new staff once for the run", func(t *testing.T, w *world) {
		ann := w.member("member")
		var clients []uuid.UUID
		for range 7 {
			clients = append(clients, w.person("client"))
		}
		w.manage(w.Admin, people(clients...), change("assign", object{"staff_ids": idsOf(ann)})).must(200)
		w.settled()
		if got := one(t, mailsTo(t, server, ann)).Subject; got != "You have received 7 people" {
			t.Errorf("got subject %q", got)
		}
	})

	s.rule(t, "B7 a receiver who is refused for good is given up, and the others get theirs", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.exec(`UPDATE staff SET email = 'nobody-' || email WHERE organization_id = $1 AND id = $2`, w.ID, ann.ID)
		run := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(ann, bob)})).must(200))
		w.settled()
		one(t, mailsTo(t, server, bob))
		if status := w.statusOf(w.toldOnce(ann, run).ID); status != "failed" {
			t.Errorf("got status %s", status)
		}
	})

	s.rule(t, "B7 a mail whose answer was lost is not sent again", func(t *testing.T, w *world) {
		ann := w.member("member")
		w.exec(`UPDATE staff SET email = 'lost-' || email WHERE organization_id = $1 AND id = $2`, w.ID, ann.ID)
		run := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(ann)})).must(200))
		w.settled()
		if status := w.statusOf(w.toldOnce(ann, run).ID); status != "handing_over" {
			t.Errorf("got status %s", status)
		}
		time.Sleep(2 * time.Second)
		arrived := 0
		for _, got := range server.Mails() {
			if got.To == "lost-"+address(ann) {
				arrived++
			}
		}
		if arrived != 1 {
			t.Errorf("it arrived %d times", arrived)
		}
	})

	s.rule(t, "B12 who asked for a run that could not be done later is told why, and mailed once", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		run := decode[api.Run](w.reassign(handOver(lea, given("matters", "", ann), object{"run_at": soon(time.Second), "reason": "Lea leaves on Friday"})).must(202))
		w.deactivate(ann)
		if got := w.endOf(run); got.Status != "failed" {
			t.Fatalf("got status %s", got.Status)
		}
		told := w.toldOnce(w.Admin, run)
		work(t, told, "run_failed", api.NotificationWork{})
		failure := told.Failure.MustGet()
		if len(failure.Staff) != 1 || failure.Staff[0].ID != ann.ID || failure.Staff[0].Status != "deactivated" || failure.Kind != "reassign_work" ||
			failure.Code != "staff_not_active" || failure.Reason.MustGet() != "Lea leaves on Friday" || !failure.RequestedAt.Equal(run.RequestedAt) ||
			!failure.ScheduledFor.MustGet().Equal(run.ScheduledFor.MustGet()) {
			t.Errorf("got failure %+v", failure)
		}
		w.settled()
		got := one(t, mailsTo(t, server, w.Admin))
		if got.Subject != "A change that you asked for could not be made" || !strings.Contains(got.Plain, w.reread(run).Error.MustGet().Detail) {
			t.Errorf("got %q\n%s", got.Subject, got.Plain)
		}
		for _, part := range []string{"work of a staff member", "Lea leaves on Friday", failure.Staff[0].Name + " (deactivated)"} {
			if !strings.Contains(got.Plain, part) || !strings.Contains(got.HTML, part) {
				t.Errorf("%q is missing:\n%s", part, got.Plain)
			}
		}
		if got := append(mailsTo(t, server, lea), mailsTo(t, server, ann)...); len(got) != 0 {
			t.Errorf("somebody is told of what has not happened: %+v", got)
		}
	})

	s.rule(t, "B7 names and titles are no part of the mail's form", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.exec(`UPDATE staff SET first_name = E'Eve\r\nBcc: evil@evil.example', last_name = '<b>"Smith"</b>, \' WHERE organization_id = $1 AND id IN ($2, $3)`, w.ID, lea.ID, ann.ID)
		matter := w.matter("everyone", lea)
		w.exec(`UPDATE matters SET description = E'<script>x</script>\r\n.\r\n' WHERE organization_id = $1 AND id = $2`, w.ID, matter)
		w.reassigned(handOver(lea, given("matters", "", ann)))
		w.settled()
		got := one(t, mailsTo(t, server, ann))
		if got.Header.Get("Bcc") != "" || strings.Contains(got.HTML, "<script>") || strings.Contains(got.HTML, "<b>") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMailServerInTrouble(t *testing.T) {
	t.Parallel()

	t.Run("B7 a mail server that is down delays and loses nothing; runs go on", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		s := start(t, mailing(t, server))
		server.Down()
		w := s.organization(t)
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann)))
		for range 30 {
			w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(w.member("member"))})).must(200)
		}
		began := time.Now()
		queued := w.reassign(handOver(ann, given("matters", "", lea)), header{"Prefer", "respond-async"}).must(202)
		second := w.endOf(decode[api.Run](queued))
		if took := time.Since(began); second.Status != "succeeded" || took > 10*time.Second {
			t.Errorf("the run is %s after %s", second.Status, took)
		}
		time.Sleep(time.Second)
		if err := server.Up(); err != nil {
			t.Fatal(err)
		}
		w.settled()
		if status := w.statusOf(w.toldOnce(ann, run).ID); status != "sent" {
			t.Errorf("got status %s", status)
		}
		for m, want := range map[member]int{ann: 2, lea: 2} {
			if got := mailsTo(t, server, m); len(got) != want {
				t.Errorf("got %d mails, want %d", len(got), want)
			}
		}
		if got := len(server.Mails()); got != 34 {
			t.Errorf("got %d mails of 34", got)
		}
		s.invariant(t, invariants.Options{})
	})

	t.Run("B7 a stalling mail server does not hold up runs", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		var stalling sync.WaitGroup
		server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
			if stage == testmail.Connecting {
				return &testmail.Trouble{Stall: time.Minute}
			}
			return nil
		})
		s := start(t, mailing(t, server))
		w := s.organization(t)
		for range 40 {
			stalling.Go(func() {
				w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(w.member("member"))}))
			})
		}
		stalling.Wait()
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		began := time.Now()
		run := w.endOf(decode[api.Run](w.reassign(handOver(lea, given("matters", "", ann)), header{"Prefer", "respond-async"}).must(202)))
		if took := time.Since(began); run.Status != "succeeded" || took > 10*time.Second {
			t.Errorf("the run is %s after %s", run.Status, took)
		}
	})

	t.Run("B7 whatever goes wrong of which the outcome is known, each receiver gets one mail", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		var lock sync.Mutex
		failed := map[string]int{}
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // moments, not secrets
		troubles := []testmail.Trouble{{Drop: true}, {Code: 451}, {Stall: time.Minute}}
		server.Troubled(func(stage testmail.Stage, to string) *testmail.Trouble {
			lock.Lock()
			defer lock.Unlock()
			trouble := troubles[random.IntN(len(troubles))]
			switch {
			case stage == testmail.Answered:
				return &testmail.Trouble{Drop: true} // it is there, and it is known to be
			case stage == testmail.Within:
				return nil // that it was cut may be noticed too late, on a machine that is busy with other tests
			case stage == testmail.End:
				trouble = testmail.Trouble{Code: 451}
			case stage == testmail.Connecting && trouble.Code != 0, to == "" && random.IntN(4) > 0:
				return nil
			}
			if failed[to] >= 2 && to != "" || failed[to] >= 20 || random.IntN(2) == 0 {
				return nil
			}
			failed[to]++
			return &trouble
		})
		s := start(t, mailing(t, server))
		// Another worker on the same mails.
		background, err := worker.Start(t.Context(), s.DB.SQL.DB, s.app, mailerTo(t, server), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = background.Stop(t.Context()) }) // at the end of the test
		w := s.organization(t)
		receivers := make([]member, 20)
		for i := range receivers {
			receivers[i] = w.member("member")
		}
		w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(receivers...)})).must(200)
		w.settled()
		for _, m := range receivers {
			if got := mailsTo(t, server, m); len(got) != 1 {
				t.Errorf("%d mails arrived after %d troubles", len(got), failed[address(m)])
			}
		}
		t.Logf("troubles: %v", slices.Sorted(maps.Values(failed)))
	})

	t.Run("B7 mails go by what is so when they are sent: off, deactivated, hidden", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		s := start(t, mailing(t, server))
		server.Down()
		w := s.organization(t)
		lea, ann, off, gone := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		w.as(off, "PUT", "/v1/notification-settings", object{"email": true}, header{"If-Match", "*"}).must(200)
		shared, secret := w.matter("everyone", lea), w.matter("everyone", lea)
		w.workOn(shared, lea)
		hidden := w.workOn(secret, lea)
		w.exec(`UPDATE tasks SET title = 'Canary' WHERE organization_id = $1 AND id = $2`, w.ID, hidden)
		run := w.reassigned(handOver(lea, given("tasks", "", ann)))
		assigned := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(off, gone)})).must(200))
		w.as(off, "PUT", "/v1/notification-settings", object{"email": false}, header{"If-Match", "*"}).must(200)
		goneIs := w.toldOnce(gone, assigned).ID
		w.deactivate(gone)
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, secret)
		if err := server.Up(); err != nil {
			t.Fatal(err)
		}
		w.settled()
		got := one(t, mailsTo(t, server, ann))
		if strings.Contains(got.Plain+got.HTML, "Canary") || !strings.Contains(got.Subject, "1 task") {
			t.Errorf("B5 is broken: %q\n%s", got.Subject, got.Plain)
		}
		work(t, w.toldOnce(ann, run), "work_received", api.NotificationWork{Tasks: 1})
		if got := append(mailsTo(t, server, off), mailsTo(t, server, gone)...); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
		for _, id := range []uuid.UUID{w.toldOnce(off, assigned).ID, goneIs} {
			if status := w.statusOf(id); status != "none" {
				t.Errorf("got status %s", status)
			}
		}
	})

	t.Run("B7 a mail is tried for days, and then given up", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		clock := &movable{}
		s := start(t, mailing(t, server), by(clock))
		server.Down()
		w := s.organization(t)
		ann := w.member("member")
		run := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(ann)})).must(200))
		id := w.toldOnce(ann, run).ID
		time.Sleep(time.Second)
		if status := w.statusOf(id); status != "pending" {
			t.Fatalf("got status %s", status)
		}
		clock.pass(6 * 24 * time.Hour)
		w.settled()
		if status := w.statusOf(id); status != "failed" {
			t.Errorf("got status %s", status)
		}
	})

	t.Run("B7 what a worker left behind that was killed is sent, unless it may have arrived", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		s := start(t, withoutWorker)
		w := s.organization(t)
		tests := []struct {
			left, becomes string
			mails         int
		}{
			{`email_status = 'pending', email_taken_until = clock_timestamp() - interval '1 second'`, "sent", 1},
			{`email_status = 'pending', email_taken_until = clock_timestamp() + interval '2 seconds'`, "sent", 1},
			{`email_status = 'offered', email_offered_at = clock_timestamp()`, "sent", 1},
			{`email_status = 'offered', email_offered_at = pg_postmaster_start_time() - interval '1 second'`, "handing_over", 0},
			{`email_status = 'handing_over', email_offered_at = clock_timestamp()`, "handing_over", 0},
			{`email_status = 'handing_over', email_taken_until = clock_timestamp() + interval '2 seconds'`, "handing_over", 0},
			{`email_status = 'sent'`, "sent", 0},
			{`email_status = 'failed'`, "failed", 0},
			{`email_status = 'none'`, "none", 0},
		}
		members, ids := make([]member, len(tests)), make([]uuid.UUID, len(tests))
		for i := range tests {
			members[i] = w.member("member")
		}
		run := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(members...)})).must(200))
		for i, test := range tests {
			ids[i] = w.toldOnce(members[i], run).ID
			w.exec(`UPDATE notifications SET `+test.left+` WHERE organization_id = $1 AND id = $2`, w.ID, ids[i])
		}
		background, err := worker.Start(t.Context(), s.DB.SQL.DB, s.app, mailerTo(t, server), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = background.Stop(t.Context()) }) // at the end of the test
		w.settled()
		for i, test := range tests {
			if status, got := w.statusOf(ids[i]), mailsTo(t, server, members[i]); status != test.becomes || len(got) != test.mails {
				t.Errorf("%s: got %s and %d mails, want %s and %d", test.left, status, len(got), test.becomes, test.mails)
			}
		}
	})

	t.Run("B7 a mail whose job was lost gets another", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		clock := &movable{}
		s := start(t, mailing(t, server), by(clock))
		server.Down()
		w := s.organization(t)
		ann := w.member("member")
		w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(ann)})).must(200)
		w.exec(`DELETE FROM river.river_job WHERE kind = 'mail'`)
		for range 2 { // one job is enough
			if err := s.app.RequeueMails(t.Context()); err != nil {
				t.Fatal(err)
			}
			clock.pass(time.Hour + time.Minute)
		}
		if err := s.app.RequeueMails(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'mail'`); n != 1 {
			t.Fatalf("got %d jobs", n)
		}
		if err := server.Up(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the mail is there", func() bool { return len(server.Mails()) == 1 })
	})
}

func TestMailFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	mailer, err := mail.New(mail.Options{Link: "https://handover.example/n/{id}", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *serviceOptions) { o.mailer = mailer })
	s.rule(t, "B7 without a mail server each mail is a file", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann)))
		w.settled()
		for _, m := range []member{lea, ann} {
			text, err := os.ReadFile(filepath.Join(dir, w.toldOnce(m, run).ID.String()+".eml"))
			if err != nil {
				t.Fatal(err)
			}
			if parsed, err := testmail.Parse(text); err != nil || parsed.To.Address != address(m) {
				t.Errorf("got %+v: %v", parsed, err)
			}
		}
	})
}
