package domain_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

// numbered is an id that is told by its number.
func numbered(kind, number int) uuid.UUID {
	return uuid.UUID{6: 0x70, 8: 0x80, 13: byte(kind), 14: byte(number >> 8), 15: byte(number)}
}

// told is a drawn plan of work that goes over, by receiver, and what has to be known to tell of it.
type told struct {
	plan  domain.Plan
	work  domain.Received
	given map[uuid.UUID]map[domain.NoticeItem]bool
	taken map[uuid.UUID]map[domain.NoticeItem]bool // by whom it was taken from
}

func drawTold(t *rapid.T) told {
	staff := []uuid.UUID{numbered(0, 1), numbered(0, 2), numbered(0, 3), numbered(0, 4)}
	leaver := numbered(0, 9)
	d := told{given: map[uuid.UUID]map[domain.NoticeItem]bool{}, taken: map[uuid.UUID]map[domain.NoticeItem]bool{}}
	d.work = domain.Received{MatterOf: map[uuid.UUID]uuid.UUID{}, Due: domain.Due{Tasks: map[uuid.UUID]domain.Date{}, Events: map[uuid.UUID]time.Time{}}}
	if rapid.Bool().Draw(t, "in a zone") {
		d.work.Due.Zone = time.FixedZone("there", 9*3600)
	}
	owners := []uuid.UUID{leaver}
	switch oneOf(t, "whose", "a leaver's", "everybody's, told", "everybody's") {
	case "a leaver's":
		d.work.From = leaver
	case "everybody's, told":
		d.work.Losers = true
		owners = append(owners, staff...)
	case "everybody's":
		owners = append(owners, staff...)
	}
	put := func(of map[uuid.UUID]map[domain.NoticeItem]bool, staff uuid.UUID, kind domain.ItemKind, id uuid.UUID) {
		if of[staff] == nil {
			of[staff] = map[domain.NoticeItem]bool{}
		}
		of[staff][domain.NoticeItem{Kind: kind, ID: id}] = true
	}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range rapid.IntRange(0, 80).Draw(t, "items") {
		to := rapid.SampledFrom(staff).Draw(t, "to")
		matter := numbered(5, rapid.IntRange(0, 3).Draw(t, "matter"))
		hours := rapid.IntRange(0, 100).Draw(t, "due")
		owner := rapid.SampledFrom(owners).Filter(func(id uuid.UUID) bool { return id != to }).Draw(t, "owner")
		give := func(kind domain.ItemKind, id uuid.UUID) {
			put(d.given, to, kind, id)
			put(d.taken, owner, kind, id)
		}
		switch oneOf(t, "kind", "person", "task", "created", "cancelled", "matter", "event") {
		case "person":
			id := numbered(1, i)
			d.plan.PeopleGiven = append(d.plan.PeopleGiven, domain.Seat{Subject: id, Staff: to})
			d.plan.PeopleTaken = append(d.plan.PeopleTaken, domain.Seat{Subject: id, Staff: owner})
			give(domain.ItemPerson, id)
		case "task":
			id := numbered(2, i)
			d.plan.TasksGiven = append(d.plan.TasksGiven, domain.Seat{Subject: id, Staff: to})
			d.plan.TasksTaken = append(d.plan.TasksTaken, domain.Seat{Subject: id, Staff: owner})
			if hours > 0 {
				d.work.Due.Tasks[id] = domain.DateOf(start.Add(time.Duration(hours) * time.Hour))
			}
			if i%2 == 0 {
				d.work.MatterOf[id] = matter
			}
			give(domain.ItemTask, id)
		case "created":
			id := numbered(2, i)
			d.plan.TasksCreated = append(d.plan.TasksCreated, domain.CreatedTask{ID: id, Assignees: domain.StaffSet{to}, DueOn: domain.DateOf(start.AddDate(0, 0, hours))})
			put(d.given, to, domain.ItemTask, id)
		case "cancelled":
			id := numbered(2, i)
			d.plan.TasksCancelled = append(d.plan.TasksCancelled, id)
			d.plan.TasksTaken = append(d.plan.TasksTaken, domain.Seat{Subject: id, Staff: owner})
			put(d.taken, owner, domain.ItemTask, id)
		case "matter":
			id := numbered(5, 100+i)
			d.plan.MattersMoved = append(d.plan.MattersMoved, domain.Move{ID: id, From: owner, To: to})
			give(domain.ItemMatter, id)
		case "event":
			id := numbered(4, i)
			d.plan.EventsMoved = append(d.plan.EventsMoved, domain.Move{ID: id, From: owner, To: to})
			d.work.Due.Events[id], d.work.MatterOf[id] = start.Add(time.Duration(hours)*time.Hour), matter
			give(domain.ItemCalendarEvent, id)
		}
	}
	return d
}

// when is when an item is due, as somebody who reads calendars would say; the last of days where it has no date.
func (d told) when(item domain.NoticeItem) time.Time {
	if start, found := d.work.Due.Events[item.ID]; found {
		return start
	}
	due, found := d.work.Due.Tasks[item.ID]
	for _, task := range d.plan.TasksCreated {
		if task.ID == item.ID {
			due, found = task.DueOn, true
		}
	}
	if !found {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	zone := d.work.Due.Zone
	if zone == nil {
		zone = time.UTC
	}
	return time.Date(due.Year, due.Month, due.Day, 0, 0, 0, 0, zone)
}

func countsOf(items map[domain.NoticeItem]bool, of func(domain.NoticeItem) bool) (counts domain.WorkCounts) {
	for item := range items {
		if !of(item) {
			continue
		}
		switch item.Kind {
		case domain.ItemPerson:
			counts.People++
		case domain.ItemTask:
			counts.Tasks++
		case domain.ItemMatter:
			counts.Matters++
		case domain.ItemCalendarEvent:
			counts.Events++
		}
	}
	return counts
}

func every(domain.NoticeItem) bool { return true }

// about is the work that a notice tells of.
func (d told) about(notice domain.Notice) map[domain.NoticeItem]bool {
	if notice.Kind == domain.NoticeWorkHandedOver {
		return d.taken[notice.Receiver]
	}
	return d.given[notice.Receiver]
}

func TestNotices(t *testing.T) {
	check := func(name string, property func(*rapid.T, told, []domain.Notice)) {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			d := drawTold(t)
			property(t, d, domain.Notices(&d.plan, d.work))
		}))
	}

	check("B7 everybody who receives work is told once, who loses it alone where they are to know, and nobody else", func(t *rapid.T, d told, notices []domain.Notice) {
		want := len(d.given)
		losesAlone := func(staff uuid.UUID) bool {
			return d.given[staff] == nil && d.taken[staff] != nil && (d.work.Losers || staff == d.work.From)
		}
		for staff := range d.taken {
			if losesAlone(staff) {
				want++
			}
		}
		if len(notices) != want || !slices.IsSortedFunc(notices, func(a, b domain.Notice) int { return domain.CompareIDs(a.Receiver, b.Receiver) }) {
			t.Fatalf("got %d notices, want %d", len(notices), want)
		}
		told := map[uuid.UUID]bool{}
		for _, notice := range notices {
			if told[notice.Receiver] || notice.From != d.work.From || len(d.about(notice)) == 0 ||
				(notice.Kind == domain.NoticeWorkHandedOver) != losesAlone(notice.Receiver) {
				t.Fatalf("got a notice %+v", notice)
			}
			told[notice.Receiver] = true
		}
	})

	check("B7 the counts are those of what went over", func(t *rapid.T, d told, notices []domain.Notice) {
		for _, notice := range notices {
			if want := countsOf(d.about(notice), every); notice.Work != want {
				t.Fatalf("got %+v, want %+v", notice.Work, want)
			}
		}
	})

	check("B7 the items are at most 20 of them, the due next first", func(t *rapid.T, d told, notices []domain.Notice) {
		for _, notice := range notices {
			work := d.about(notice)
			if len(notice.Items) != min(len(work), 20) {
				t.Fatalf("got %d items of %d", len(notice.Items), len(work))
			}
			named := map[domain.NoticeItem]bool{}
			for i, item := range notice.Items {
				if !work[item] || named[item] {
					t.Fatalf("%v is not of this work, or named twice", item)
				}
				named[item] = true
				if i > 0 && d.when(item).Before(d.when(notice.Items[i-1])) {
					t.Fatalf("%v is due before what stands before it", item)
				}
			}
			last := d.when(notice.Items[len(notice.Items)-1])
			for item := range work {
				if !named[item] && d.when(item).Before(last) {
					t.Fatalf("%v is due before what is named, and left out", item)
				}
			}
		}
	})

	check("B7 what has no date comes last: tasks, matters, people", func(t *rapid.T, d told, notices []domain.Notice) {
		order := []domain.ItemKind{domain.ItemTask, domain.ItemMatter, domain.ItemPerson}
		for _, notice := range notices {
			before := 0
			for _, item := range notice.Items {
				now := 0
				if d.when(item).Year() == 9999 {
					now = 1 + slices.Index(order, item.Kind)
				}
				if now < before {
					t.Fatalf("got %v", notice.Items)
				}
				before = now
			}
		}
	})

	check("B5 the shares of matters are what belongs to them", func(t *rapid.T, d told, notices []domain.Notice) {
		for _, notice := range notices {
			work := d.about(notice)
			matterOf := func(item domain.NoticeItem) uuid.UUID {
				if item.Kind == domain.ItemMatter {
					return item.ID
				}
				return d.work.MatterOf[item.ID]
			}
			shared := map[uuid.UUID]bool{uuid.Nil: true}
			for _, share := range notice.Shares {
				want := countsOf(work, func(item domain.NoticeItem) bool { return matterOf(item) == share.Matter })
				if shared[share.Matter] || share.Work != want || want == (domain.WorkCounts{}) {
					t.Fatalf("got %+v of a matter, want %+v", share.Work, want)
				}
				shared[share.Matter] = true
			}
			for item := range work {
				if !shared[matterOf(item)] {
					t.Fatalf("%v has no share", item)
				}
			}
		}
	})
}
