package domain

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// NoticeKind tells what somebody is told of.
type NoticeKind string

// The kinds of notices.
const (
	NoticeWorkReceived   NoticeKind = "work_received"    // a run gave them work
	NoticeWorkHandedOver NoticeKind = "work_handed_over" // their own work was given to others, or went back to them
	NoticeRunFailed      NoticeKind = "run_failed"       // a run they had asked for failed while they were not there
)

// MostNoticeItems is how many items a notice names; the counts tell of all.
const MostNoticeItems = 20

// Notice is what one staff member is told of one run (B7): how much, and what of it is due next.
type Notice struct {
	Kind     NoticeKind
	Receiver uuid.UUID
	From     uuid.UUID // who handed over, where it was one staff member; zero otherwise
	Work     WorkCounts
	Items    []NoticeItem // at most MostNoticeItems, the due next first
	// Shares tell how much of the work belongs to which matter, so that what is hidden from the receiver when they read
	// is not counted (B5).
	Shares []MatterShare
}

// WorkCounts count work by kind.
type WorkCounts struct {
	People  int
	Tasks   int
	Matters int
	Events  int
}

// NoticeItem names one item of a notice.
type NoticeItem struct {
	Kind ItemKind
	ID   uuid.UUID
}

// MatterShare is how much of a notice's work belongs to one matter, the matter itself included.
type MatterShare struct {
	Matter uuid.UUID
	Work   WorkCounts
}

// Received is what has to be known beside a plan to tell of it.
type Received struct {
	From     uuid.UUID // whose work the plan hands over, who is told too; zero where it is not one staff member's
	Losers   bool      // all who lose work by the plan are told too
	Due      Due
	MatterOf map[uuid.UUID]uuid.UUID // of the tasks and events that belong to one
}

// Notices tells each staff member who receives work of it once, however many items they get, and those whose work it
// was, where they are to know and receive none (B7). The order is that of the receivers' ids.
func Notices(plan *Plan, work Received) []Notice {
	given := drafts{work: work, kind: NoticeWorkReceived}
	for _, seat := range plan.PeopleGiven {
		given.add(seat.Staff, ItemPerson, seat.Subject)
	}
	for _, seat := range plan.TasksGiven {
		given.add(seat.Staff, ItemTask, seat.Subject)
	}
	for _, task := range plan.TasksCreated {
		for _, staff := range task.Assignees {
			given.addDue(staff, ItemTask, task.ID, &task.DueOn)
		}
	}
	for _, matter := range plan.MattersMoved {
		given.add(matter.To, ItemMatter, matter.ID)
	}
	for _, event := range plan.EventsMoved {
		given.add(event.To, ItemCalendarEvent, event.ID)
	}
	notices := given.notices()
	if work.From != uuid.Nil || work.Losers {
		notices = append(notices, noticesOfLeaving(plan, work, given.of)...)
	}
	slices.SortFunc(notices, func(a, b Notice) int { return CompareIDs(a.Receiver, b.Receiver) })
	return notices
}

// noticesOfLeaving is what those whose work it was are told: what has left them. Who receives work is told of that alone.
func noticesOfLeaving(plan *Plan, work Received, receivers map[uuid.UUID]*draft) []Notice {
	taken := drafts{work: work, kind: NoticeWorkHandedOver}
	left := func(staff uuid.UUID, kind ItemKind, id uuid.UUID) {
		if (work.Losers || staff == work.From) && receivers[staff] == nil {
			taken.add(staff, kind, id)
		}
	}
	for _, seat := range plan.PeopleTaken {
		left(seat.Staff, ItemPerson, seat.Subject)
	}
	for _, seat := range plan.TasksTaken {
		left(seat.Staff, ItemTask, seat.Subject)
	}
	for _, matter := range plan.MattersMoved {
		left(matter.From, ItemMatter, matter.ID)
	}
	for _, event := range plan.EventsMoved {
		left(event.From, ItemCalendarEvent, event.ID)
	}
	return taken.notices()
}

// drafts are notices of one kind while they are written.
type drafts struct {
	work Received
	kind NoticeKind
	of   map[uuid.UUID]*draft
}

type draft struct {
	work   WorkCounts
	next   []dueItem // the due next first, never more than a notice names
	shares map[uuid.UUID]*WorkCounts
}

func (d *drafts) add(receiver uuid.UUID, kind ItemKind, id uuid.UUID) {
	if due, dated := d.work.Due.Tasks[id]; dated && kind == ItemTask {
		d.addDue(receiver, kind, id, &due)
		return
	}
	d.addDue(receiver, kind, id, nil)
}

func (d *drafts) addDue(receiver uuid.UUID, kind ItemKind, id uuid.UUID, due *Date) {
	one := d.of[receiver]
	if one == nil {
		one = &draft{}
		if d.of == nil {
			d.of = map[uuid.UUID]*draft{}
		}
		d.of[receiver] = one
	}
	one.work.count(kind)
	if matter, belongs := d.matterOf(kind, id); belongs {
		one.share(matter).count(kind)
	}
	item := dueItem{NoticeItem: NoticeItem{Kind: kind, ID: id}, dated: due != nil}
	if due != nil {
		item.at = time.Date(due.Year, due.Month, due.Day, 0, 0, 0, 0, d.zone())
	} else if start, known := d.work.Due.Events[id]; known && kind == ItemCalendarEvent {
		item.dated, item.at = true, start
	}
	one.keep(item)
}

func (d *drafts) zone() *time.Location {
	if d.work.Due.Zone == nil {
		return time.UTC
	}
	return d.work.Due.Zone
}

func (d *drafts) matterOf(kind ItemKind, id uuid.UUID) (matter uuid.UUID, belongs bool) {
	switch kind {
	case ItemMatter:
		return id, true
	case ItemTask, ItemCalendarEvent:
		matter, belongs = d.work.MatterOf[id]
	case ItemPerson:
	}
	return matter, belongs
}

func (d *drafts) notices() []Notice {
	notices := make([]Notice, 0, len(d.of))
	for receiver, one := range d.of {
		notice := Notice{Kind: d.kind, Receiver: receiver, From: d.work.From, Work: one.work, Items: make([]NoticeItem, len(one.next))}
		for i, item := range one.next {
			notice.Items[i] = item.NoticeItem
		}
		for matter, share := range one.shares {
			notice.Shares = append(notice.Shares, MatterShare{Matter: matter, Work: *share})
		}
		slices.SortFunc(notice.Shares, func(a, b MatterShare) int { return CompareIDs(a.Matter, b.Matter) })
		notices = append(notices, notice)
	}
	return notices
}

func (w *WorkCounts) count(kind ItemKind) {
	switch kind {
	case ItemPerson:
		w.People++
	case ItemTask:
		w.Tasks++
	case ItemMatter:
		w.Matters++
	case ItemCalendarEvent:
		w.Events++
	}
}

func (d *draft) share(matter uuid.UUID) *WorkCounts {
	share := d.shares[matter]
	if share == nil {
		share = &WorkCounts{}
		if d.shares == nil {
			d.shares = map[uuid.UUID]*WorkCounts{}
		}
		d.shares[matter] = share
	}
	return share
}

// dueItem is an item with when it is due.
type dueItem struct {
	NoticeItem
	dated bool
	at    time.Time
}

// keep takes the item in where it is among the next.
func (d *draft) keep(item dueItem) {
	if len(d.next) == MostNoticeItems {
		if compareDue(item, d.next[len(d.next)-1]) >= 0 {
			return
		}
		d.next = d.next[:len(d.next)-1]
	}
	place, _ := slices.BinarySearchFunc(d.next, item, compareDue)
	d.next = slices.Insert(d.next, place, item)
}

// compareDue orders what is dated by when it is due, a task at the beginning of its day; then what is not: tasks, matters,
// people.
func compareDue(a, b dueItem) int {
	if a.dated != b.dated {
		if a.dated {
			return -1
		}
		return 1
	}
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Kind.rank(), b.Kind.rank()), CompareIDs(a.ID, b.ID))
}

func (k ItemKind) rank() int {
	switch k {
	case ItemTask:
		return 0
	case ItemCalendarEvent:
		return 1
	case ItemMatter:
		return 2
	case ItemPerson:
		return 3
	}
	return 4
}

// Notification is a notice as its receiver reads it.
type Notification struct {
	ID        uuid.UUID
	Number    int64 // among the receiver's, from 1; later ones have higher numbers
	Kind      NoticeKind
	RunID     *uuid.UUID
	Actor     *StaffRef // who asked for the run
	From      *StaffRef // who handed over, where it was one staff member
	CreatedAt time.Time
	ReadAt    *time.Time
	Work      WorkCounts         // as far as the receiver sees it now
	Items     []NotificationItem // likewise
	Failure   *RunFailure        // of NoticeRunFailed
}

// RunFailure is what could not be done, and why.
type RunFailure struct {
	Kind         RunKind
	RequestedAt  time.Time
	ScheduledFor *time.Time
	Reason       *string
	Code         Code
	Detail       string
	Staff        []StaffRef // who is deactivated or missing
}

// NotificationItem is an item of a notification, as it is now.
type NotificationItem struct {
	Kind     ItemKind
	ID       uuid.UUID
	Label    string
	DueOn    *Date      // of a task
	StartsAt *time.Time // of an event
	Concerns *Concern   // of a task or event
}

// Concern is the person or matter that a task or an event belongs to.
type Concern struct {
	Kind  ItemKind
	ID    uuid.UUID
	Label string
}

// NotificationFilter narrows a staff member's notifications.
type NotificationFilter struct {
	Kinds  []string
	Unread *bool
}

// NotificationSettings are what a staff member has decided about how they are told.
type NotificationSettings struct {
	Email bool `json:"email"`
}
