package acceptance

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/domain"
)

// stopped is a clock that stands where a test has set it.
type stopped struct{ instant atomic.Int64 }

func (c *stopped) now() time.Time        { return time.Unix(0, c.instant.Load()).UTC() }
func (c *stopped) set(instant time.Time) { c.instant.Store(instant.UnixNano()) }

// B2, B3, A5: the day changes at midnight in the time zone of the organization, wherever that is, and wherever its clocks are
// put forward or back. What is past due, upcoming, or due in so many days follows from it in every answer alike.
func TestEdgesOfTheClock(t *testing.T) {
	t.Parallel()
	c := &stopped{}
	c.set(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	s := start(t, withoutWorker, func(o *serviceOptions) { o.now = c.now })
	for _, edge := range []struct {
		what, zone       string
		begins           string // the first instant of the day
		yesterday, today string
		inOneDay         string // of today
	}{
		{"UTC", "UTC", "2024-05-01T00:00:00Z", "2024-04-30", "2024-05-01", "2024-05-02"},
		{"the first place where a day begins", "Pacific/Kiritimati", "2024-04-30T10:00:00Z", "2024-04-30", "2024-05-01", "2024-05-02"},
		{"the last place where a day begins", "Etc/GMT+12", "2024-05-01T12:00:00Z", "2024-04-30", "2024-05-01", "2024-05-02"},
		{"a zone of quarters of an hour", "Asia/Kathmandu", "2024-04-30T18:15:00Z", "2024-04-30", "2024-05-01", "2024-05-02"},
		{"the day on which summer time begins", "America/Toronto", "2024-03-10T05:00:00Z", "2024-03-09", "2024-03-10", "2024-03-11"},
		{"the day after summer time has begun", "America/Toronto", "2024-03-11T04:00:00Z", "2024-03-10", "2024-03-11", "2024-03-12"},
		{"the day on which summer time ends", "America/Toronto", "2024-11-03T04:00:00Z", "2024-11-02", "2024-11-03", "2024-11-04"},
		{"the day after summer time has ended", "America/Toronto", "2024-11-04T05:00:00Z", "2024-11-03", "2024-11-04", "2024-11-05"},
		{"a summer time of half an hour", "Australia/Lord_Howe", "2024-10-06T13:00:00Z", "2024-10-06", "2024-10-07", "2024-10-08"},
		{"a day without a midnight, in the south", "America/Santiago", "2024-09-08T04:00:00Z", "2024-09-07", "2024-09-08", "2024-09-09"},
		{"a day without a midnight, in the north", "Africa/Cairo", "2024-04-25T22:00:00Z", "2024-04-25", "2024-04-26", "2024-04-27"},
		{"a day with two midnights", "America/Havana", "2024-11-03T04:00:00Z", "2024-11-02", "2024-11-03", "2024-11-04"},
		{"the day after one that was left out", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-29", "2011-12-31", "2012-01-01"},
		{"the leap day", "Europe/Berlin", "2024-02-28T23:00:00Z", "2024-02-28", "2024-02-29", "2024-03-01"},
		{"the day after the leap day", "Europe/Berlin", "2024-02-29T23:00:00Z", "2024-02-29", "2024-03-01", "2024-03-02"},
		{"the end of February of another year", "Europe/Berlin", "2023-02-28T23:00:00Z", "2023-02-28", "2023-03-01", "2023-03-02"},
		{"the new year", "America/Los_Angeles", "2025-01-01T08:00:00Z", "2024-12-31", "2025-01-01", "2025-01-02"},
	} {
		t.Run(edge.what, func(t *testing.T) {
			w := s.organization(t)
			w.exec(`UPDATE organizations SET time_zone = $2 WHERE id = $1`, w.ID, edge.zone)
			begins, err := time.Parse(time.RFC3339, edge.begins)
			if err != nil {
				t.Fatal(err)
			}
			d := newDay(w, begins, edge.yesterday, edge.today)
			c.set(begins.Add(-time.Microsecond))
			yesterday, err := domain.ParseDate(edge.yesterday)
			if err != nil {
				t.Fatal(err)
			}
			d.hold(t, "right before midnight", false, yesterday.AddDays(1).String()) // by the calendar, which leaves no day out
			c.set(begins)
			d.hold(t, "at midnight", true, edge.inOneDay)
		})
	}
}

// day is work that is due or begins where one day ends and the next begins.
type day struct {
	*world
	leaver, successor member
	due, dueToday     uuid.UUID // yesterday, and today
}

func newDay(w *world, begins time.Time, yesterday, today string) *day {
	d := &day{world: w, leaver: w.member("member"), successor: w.member("member")}
	matter := w.matter("everyone", d.leaver)
	d.due, d.dueToday = w.due(w.workOn(matter, d.leaver), yesterday), w.due(w.workOn(matter, d.leaver), today)
	w.eventOn(matter, begins, d.leaver)
	w.exec(`INSERT INTO intake_template_tasks (organization_id, position, title, details, days_until_due) VALUES ($1, 1, 'Today', '', 0), ($1, 2, 'Tomorrow', '', 1)`, w.ID)
	return d
}

// hold holds what every answer says now. begun tells whether the day has; tomorrow is the date one day after today.
func (d *day) hold(t *testing.T, when string, begun bool, tomorrow string) {
	t.Helper()
	for task, pastDue := range map[uuid.UUID]bool{d.due: begun, d.dueToday: false} {
		if got := decode[api.Task](d.get(d.Admin, "/v1/tasks/"+task.String()).must(200)); got.PastDue != pastDue {
			t.Errorf("%s: a task due on %v is past due: %t", when, got.DueOn, got.PastDue)
		}
		if listed := slices.Contains(d.listed(d.Admin, "/v1/tasks?past_due=true"), task); listed != pastDue {
			t.Errorf("%s: a task is past due: %t, and listed so: %t", when, pastDue, listed)
		}
		if listed := slices.Contains(d.listed(d.Admin, "/v1/tasks?past_due=false"), task); listed == pastDue {
			t.Errorf("%s: a task is past due: %t, and listed as none: %t", when, pastDue, listed)
		}
	}
	pastDue, upcoming := 0, 1
	if begun {
		pastDue, upcoming = 1, 0
	}
	if got := decode[api.Workload](d.get(d.Admin, "/v1/staff/"+d.leaver.ID.String()+"/workload").must(200)); got.PastDueTasks != pastDue {
		t.Errorf("%s: a workload of %d tasks past due", when, got.PastDueTasks)
	}
	totals := d.previewed(handOver(d.leaver, allTo(d.successor))).Totals
	if totals.LeftAlone.PastDue != pastDue || totals.TasksChanged != 2-pastDue || totals.EventsMoved != upcoming {
		t.Errorf("%s: a handover leaves %d tasks as past due, and moves %d tasks and %d events", when, totals.LeftAlone.PastDue, totals.TasksChanged, totals.EventsMoved)
	}
	referral := d.person("referral")
	d.as(d.Admin, "POST", "/v1/manage-assignments", wish(people(referral), change("assign", object{"staff_ids": idsOf(d.successor), "include_intake_tasks": true}))).must(200)
	for _, task := range d.tasksOf(referral) {
		due, err := task.DueOn.Get()
		if err != nil || task.Title == "Tomorrow" && due.String() != tomorrow {
			t.Errorf("%s: an intake task for %s is due on %v (%v)", when, task.Title, due, err)
		}
		if task.PastDue {
			t.Errorf("%s: an intake task is past due as soon as it is there", when)
		}
	}
}
