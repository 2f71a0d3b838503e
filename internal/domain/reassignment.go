package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// WorkWish is what an administrator wants of the work of one staff member: which parts of it go to whom (B6, B9). A part
// that is nil stays where it is and reports nothing.
type WorkWish struct {
	From    uuid.UUID `json:"from"`
	Matters *WorkPart `json:"matters,omitempty"`
	Tasks   *WorkPart `json:"tasks,omitempty"`
	Events  *WorkPart `json:"events,omitempty"`
	People  *WorkPart `json:"people,omitempty"`
}

// WorkPart is one kind of work with its successors.
type WorkPart struct {
	To             []uuid.UUID  `json:"to"` // as asked, in order; duplicates are harmless
	Distribution   Distribution `json:"distribution,omitempty"`
	IncludePastDue bool         `json:"include_past_due,omitempty"` // tasks: past-due ones too (B4)
	Kinds          []PersonKind `json:"kinds,omitempty"`            // people: of these kinds; empty: of both (B9)
	KeepTasks      bool         `json:"keep_tasks,omitempty"`       // people: the tasks that belong to them stay with the leaver (B9)
}

// namedPart is a part with what it is called in a request.
type namedPart struct {
	name string
	*WorkPart
}

// parts are the parts that were asked for.
func (w WorkWish) parts() []namedPart {
	all := []namedPart{{"matters", w.Matters}, {"tasks", w.Tasks}, {"events", w.Events}, {"people", w.People}}
	return slices.DeleteFunc(all, func(part namedPart) bool { return part.WorkPart == nil })
}

// Named is everyone the wish names, by id, each once.
func (w WorkWish) Named() StaffSet {
	named := []uuid.UUID{w.From}
	for _, part := range w.parts() {
		named = append(named, part.To...)
	}
	return NewStaffSet(named...)
}

// Takes tells whether the part speaks of people of a kind (B9).
func (p *WorkPart) Takes(kind PersonKind) bool {
	return p != nil && (len(p.Kinds) == 0 || slices.Contains(p.Kinds, kind))
}

// successors are those who take over, in the order they were named, each once.
func (p *WorkPart) successors() []uuid.UUID {
	var each []uuid.UUID
	for _, id := range p.To {
		if !slices.Contains(each, id) {
			each = append(each, id)
		}
	}
	return each
}

// CheckWorkWish refuses a wish that makes no sense, whatever the facts are: no part at all, nobody or only the leaver to
// hand to, or several successors without a way to share.
func CheckWorkWish(wish WorkWish) error {
	parts := wish.parts()
	if len(parts) == 0 {
		return Refuse(CodeInvalidValue, "Name at least one of matters, tasks, events and people: what is named is handed over.").
			At("", CodeInvalidValue, "None of matters, tasks, events and people is named.")
	}
	for _, part := range parts {
		if err := part.check(); err != nil {
			return err
		}
	}
	var same *Error
	for _, part := range parts {
		for i, id := range part.To {
			if id != wish.From {
				continue
			}
			if same == nil {
				same = Refuse(CodeSameStaff, "Work cannot be handed over to the staff member who hands it over.").With("staff_id", id)
			}
			_ = same.At(fmt.Sprintf("/%s/to_staff_ids/%d", part.name, i), CodeSameStaff, "This is the staff member who hands over.")
		}
	}
	if same != nil {
		return same
	}
	return nil
}

func (p namedPart) check() error {
	pointer := "/" + p.name + "/distribution"
	switch successors := len(p.successors()); {
	case successors == 0:
		return Refuse(CodeInvalidValue, "There is nobody to hand the %s to.", p.name).
			At("/"+p.name+"/to_staff_ids", CodeInvalidValue, "At least one successor is needed.")
	case p.Distribution == DistributeEach && (p.name == "matters" || p.name == "events"):
		return Refuse(CodeInvalidValue, "A matter has one responsible staff member, and an event one owner: they cannot be shared by each.").
			At(pointer, CodeInvalidValue, "Choose round_robin or least_loaded.")
	case p.Distribution == "" && successors > 1:
		return Refuse(CodeInvalidValue, "There are several successors for the %s. Say in distribution how they share.", p.name).
			At(pointer, CodeInvalidValue, "A distribution is required where there are several successors.")
	}
	return nil
}

// CheckReassign decides who may hand over the work of others (B): administrators, with a token that is for it.
func CheckReassign(caller Caller) error {
	if err := CheckAdministrator(caller); err != nil {
		return err
	}
	if !caller.InScope(ScopeReassign) {
		return Refuse(CodeInsufficientScope, "This needs a token with the scope %s, or one without scopes.", ScopeReassign).With("scope", ScopeReassign)
	}
	return nil
}

// CheckSchedule refuses times that have passed, and a return before the beginning (B12).
func CheckSchedule(runAt, returnAt *time.Time, now time.Time) error {
	if runAt != nil && !runAt.After(now) {
		return Refuse(CodeInvalidValue, "run_at has passed already. Leave it out to hand over at once.").
			At("/run_at", CodeInvalidValue, "Must be in the future.")
	}
	begin, what := now, "now"
	if runAt != nil {
		begin, what = *runAt, "run_at"
	}
	if returnAt != nil && !returnAt.After(begin) {
		return Refuse(CodeInvalidValue, "return_at is not after %s: what is lent cannot go back before it was lent.", what).
			At("/return_at", CodeInvalidValue, "Must be after "+what+".")
	}
	return nil
}

// WorkFacts is all that is true of a leaver's work at the moment it was locked, as far as the wish asks for it.
type WorkFacts struct {
	Staff   map[uuid.UUID]StaffStatus // everyone the wish names
	Matters []MatterFacts             // the leaver's, and those that the tasks and events belong to; by id
	Tasks   []WorkTask                // the active tasks that the leaver holds, by id
	Events  []WorkEvent               // the upcoming events that the leaver owns or attends, by id
	People  []WorkPerson              // the people the leaver serves, by id
	Loads   Loads                     // of the successors
}

// MatterFacts is what matters of a matter.
type MatterFacts struct {
	ID          uuid.UUID
	Responsible uuid.UUID
	Closed      bool
	Private     bool
	Hidden      bool // from who asks; moved all the same, and told to nobody who may not see it (B5)
}

// WorkTask is an active task that the leaver holds.
type WorkTask struct {
	ID        uuid.UUID
	Matter    int // its place in WorkFacts.Matters; None
	Person    int // its place in WorkFacts.People; None where it has none, or one whom the leaver does not serve
	Due       *Date
	Assignees StaffSet
}

// WorkEvent is an event that the leaver owns or attends.
type WorkEvent struct {
	ID       uuid.UUID
	Matter   int // its place in WorkFacts.Matters; None
	Owner    uuid.UUID
	StartsAt time.Time
}

// WorkPerson is a person whom the leaver serves.
type WorkPerson struct {
	ID    uuid.UUID
	Kind  PersonKind
	Staff StaffSet
}

// None is the place of what is not there.
const None = -1

// WorkRevision names the facts that a plan of a leaver's work rests on, as far as the wish asks for them: it changes when any of
// them does. It is the SHA-256 over the SHA-256 of each kind, in order. What successors have is not among them.
func WorkRevision(facts *WorkFacts) string {
	matters, tasks, events, people, staff := sha256.New(), sha256.New(), sha256.New(), sha256.New(), sha256.New()
	for _, matter := range facts.Matters {
		write(matters, matter.ID[:], matter.Responsible[:], flag(matter.Closed), flag(matter.Private))
	}
	for _, task := range facts.Tasks {
		write(tasks, task.ID[:], matterID(facts, task.Matter), personID(facts, task.Person), []byte(dueText(task.Due)))
		writeSet(tasks, task.Assignees)
	}
	for _, event := range facts.Events {
		write(events, event.ID[:], matterID(facts, event.Matter), event.Owner[:], []byte(event.StartsAt.UTC().Format(time.RFC3339Nano)))
	}
	for _, person := range facts.People {
		write(people, person.ID[:], []byte(person.Kind)[:1])
		writeSet(people, person.Staff)
	}
	for _, id := range NewStaffSet(slices.Collect(maps.Keys(facts.Staff))...) {
		write(staff, id[:], []byte(facts.Staff[id])[:1])
	}
	whole := sha256.New()
	write(whole, matters.Sum(nil), tasks.Sum(nil), events.Sum(nil), people.Sum(nil), staff.Sum(nil))
	return hex.EncodeToString(whole.Sum(nil)[:16])
}

func matterID(facts *WorkFacts, place int) []byte {
	if place == None {
		return uuid.Nil[:]
	}
	return facts.Matters[place].ID[:]
}

func personID(facts *WorkFacts, place int) []byte {
	if place == None {
		return uuid.Nil[:]
	}
	return facts.People[place].ID[:]
}

func dueText(due *Date) string {
	if due == nil {
		return "-"
	}
	return due.String()
}

func flag(set bool) []byte {
	if set {
		return []byte{1}
	}
	return []byte{0}
}

func writeSet(h hash.Hash, set StaffSet) {
	for _, id := range set {
		write(h, id[:])
	}
	write(h, uuid.Nil[:])
}

// Received is what those who get the work have to be told of it (B7).
func (f *WorkFacts) Received(wish WorkWish, zone *time.Location) Received {
	received := Received{
		From: wish.From, MatterOf: map[uuid.UUID]uuid.UUID{},
		Due: Due{Tasks: map[uuid.UUID]Date{}, Events: map[uuid.UUID]time.Time{}, Zone: zone},
	}
	for _, task := range f.Tasks {
		if task.Due != nil {
			received.Due.Tasks[task.ID] = *task.Due
		}
		if task.Matter != None {
			received.MatterOf[task.ID] = f.Matters[task.Matter].ID
		}
	}
	for _, event := range f.Events {
		received.Due.Events[event.ID] = event.StartsAt
		if event.Matter != None {
			received.MatterOf[event.ID] = f.Matters[event.Matter].ID
		}
	}
	return received
}

// Loads counts what staff have now, for sharing by least_loaded (B10).
type Loads struct {
	Matters map[uuid.UUID]int // open and pending, responsible for
	Tasks   map[uuid.UUID]int // active, held
	Events  map[uuid.UUID]int // upcoming, owned
	People  map[uuid.UUID]int // served
}

// PlanWork decides what becomes of a leaver's work (B1 to B6, B9, B10). today is the date in the organization's time zone.
// Refusals come in the documented order: staff_not_found, staff_not_active. Of the items, each has one outcome: changed or
// left alone.
func PlanWork(facts *WorkFacts, wish WorkWish, today Date, now time.Time) (*Plan, error) {
	if err := CheckSuccessors(facts.Staff, wish); err != nil {
		return nil, err
	}
	p := workPlan{Plan: &Plan{}, facts: facts, wish: wish}
	p.planMatters()
	p.planPeople()
	tasks, events := p.judgeTasks(today), p.judgeEvents(now)
	p.shareTasksAndEvents(tasks, events)
	return p.Plan, nil
}

// CheckSuccessors refuses who does not exist, the leaver too, and who is to take over and is not active (A13).
func CheckSuccessors(staff map[uuid.UUID]StaffStatus, wish WorkWish) error {
	named := namedStaff{mustBeActive: true}
	if _, found := staff[wish.From]; !found {
		named.addUnknown("/from_staff_id", wish.From)
	}
	for _, part := range wish.parts() {
		named.add(staff, "/"+part.name+"/to_staff_ids", part.To)
	}
	return named.refusal()
}

// workPlan is a plan in the making.
type workPlan struct {
	*Plan
	facts *WorkFacts
	wish  WorkWish
}

// itemOrder is in which order a report tells of a leaver's work.
var itemOrder = []ItemKind{ItemMatter, ItemTask, ItemCalendarEvent, ItemPerson}

// sortItems puts the items of a plan in the order of their kinds, and of their ids.
func (p *workPlan) sortItems() {
	slices.SortFunc(p.Items, func(a, b PlannedItem) int {
		return cmp.Or(cmp.Compare(slices.Index(itemOrder, a.Kind), slices.Index(itemOrder, b.Kind)), CompareIDs(a.ID, b.ID))
	})
}

// matter is the matter at a place; nil where there is none.
func (p *workPlan) matter(place int) *MatterFacts {
	if place == None {
		return nil
	}
	return &p.facts.Matters[place]
}

// planMatters is B1: open and pending matters get a new responsible staff member.
func (p *workPlan) planMatters() {
	part := p.wish.Matters
	if part == nil {
		return
	}
	var moving []*MatterFacts
	var units []unit
	for i := range p.facts.Matters {
		matter := &p.facts.Matters[i]
		if matter.Responsible != p.wish.From {
			continue
		}
		switch reason, private := whyOnMatter(matter); {
		case private:
			p.Totals.WithheldPrivate++
		case reason != ReasonNone:
			p.leaveAlone(ItemMatter, matter.ID, StaffSet{matter.Responsible}, reason, matter.Hidden)
		default:
			moving, units = append(moving, matter), append(units, unit{id: matter.ID, weight: 1})
		}
	}
	for i, successor := range share(units, part.successors(), part.Distribution, p.facts.Loads.Matters) {
		p.moveMatter(moving[i].ID, p.wish.From, successor, ReasonNone, moving[i].Hidden)
	}
}

// whyOnMatter says why what is on a matter, or the matter itself, stays where it is (B4). What is private comes before
// everything else, and has no reason: it is counted and not told (B5).
func whyOnMatter(matter *MatterFacts) (reason Reason, private bool) {
	switch {
	case matter.Private:
		return ReasonNone, true
	case matter.Closed:
		return ReasonClosedMatter, false
	default:
		return ReasonNone, false
	}
}

// judgeTasks finds the tasks that go to a new assignee (B2) and leaves the others alone (B4). What belongs to people whom
// the wish hands over with their tasks is not judged here (B9).
func (p *workPlan) judgeTasks(today Date) (moving []WorkTask) {
	part := p.wish.Tasks
	if part == nil {
		return nil
	}
	for _, task := range p.facts.Tasks {
		if p.goesWithPerson(task) {
			continue
		}
		reason, private := p.whyTask(task, today)
		switch {
		case private:
			p.Totals.WithheldPrivate++
		case reason != ReasonNone:
			matter := p.matter(task.Matter)
			p.leaveAlone(ItemTask, task.ID, task.Assignees, reason, matter != nil && matter.Hidden)
		default:
			moving = append(moving, task)
		}
	}
	return moving
}

func (p *workPlan) whyTask(task WorkTask, today Date) (reason Reason, private bool) {
	matter := p.matter(task.Matter)
	if matter == nil {
		return ReasonNoMatter, false
	}
	if reason, private = whyOnMatter(matter); private || reason != ReasonNone {
		return reason, private
	}
	if task.Due != nil && task.Due.Before(today) && !p.wish.Tasks.IncludePastDue {
		return ReasonPastDue, false
	}
	return ReasonNone, false
}

// judgeEvents finds the upcoming events that move to another calendar (B3) and leaves the others alone (B4).
func (p *workPlan) judgeEvents(now time.Time) (moving []WorkEvent) {
	if p.wish.Events == nil {
		return nil
	}
	for _, event := range p.facts.Events {
		if !event.StartsAt.After(now) {
			continue
		}
		reason, private := p.whyEvent(event)
		switch {
		case private:
			p.Totals.WithheldPrivate++
		case reason != ReasonNone:
			matter := p.matter(event.Matter)
			p.leaveAlone(ItemCalendarEvent, event.ID, StaffSet{event.Owner}, reason, matter != nil && matter.Hidden)
		default:
			moving = append(moving, event)
		}
	}
	return moving
}

func (p *workPlan) whyEvent(event WorkEvent) (reason Reason, private bool) {
	matter := p.matter(event.Matter)
	switch {
	case matter != nil && matter.Private:
		return ReasonNone, true
	case event.Owner != p.wish.From:
		return ReasonAttendeeOnly, false
	case matter == nil:
		return ReasonNoMatter, false
	}
	return whyOnMatter(matter)
}

// shareTasksAndEvents gives all tasks and events of one matter to one successor (B10), wherever somebody is named for
// both.
func (p *workPlan) shareTasksAndEvents(tasks []WorkTask, events []WorkEvent) {
	hasEvents := make(map[int]bool)
	for _, event := range events {
		hasEvents[event.Matter] = true
	}
	taskOf := p.shareTasks(tasks, hasEvents)
	p.shareEvents(events, taskOf)
}

// shareTasks tells who got the tasks of each matter, where that was one successor.
func (p *workPlan) shareTasks(tasks []WorkTask, hasEvents map[int]bool) map[int]uuid.UUID {
	part := p.wish.Tasks
	if len(tasks) == 0 {
		return nil
	}
	to := part.successors()
	if part.Distribution == DistributeEach {
		all := NewStaffSet(to...)
		for _, task := range tasks {
			p.handOverTask(task, all)
		}
		return nil
	}
	var both []uuid.UUID
	if p.wish.Events != nil {
		both = inBoth(to, p.wish.Events.successors())
	}
	matters, units := unitsByMatter(p.facts, tasks, func(task WorkTask) int { return task.Matter })
	unitOf := make(map[int]*unit, len(matters))
	for i, matter := range matters {
		unitOf[matter] = &units[i]
		if hasEvents[matter] && len(both) > 0 {
			units[i].among = both
		}
	}
	for _, task := range tasks {
		unitOf[task.Matter].hold(task.Assignees)
	}
	successorOf := make(map[int]uuid.UUID, len(matters))
	for i, successor := range share(units, to, part.Distribution, p.taskLoads()) {
		successorOf[matters[i]] = successor
	}
	for _, task := range tasks {
		p.handOverTask(task, StaffSet{successorOf[task.Matter]})
	}
	return successorOf
}

// taskLoads are the loads of tasks with what the plan has given already: the tasks that come with people.
func (p *workPlan) taskLoads() map[uuid.UUID]int {
	if len(p.TasksGiven) == 0 {
		return p.facts.Loads.Tasks
	}
	loads := make(map[uuid.UUID]int, len(p.facts.Loads.Tasks))
	maps.Copy(loads, p.facts.Loads.Tasks)
	for _, seat := range p.TasksGiven {
		loads[seat.Staff]++
	}
	return loads
}

func (p *workPlan) shareEvents(events []WorkEvent, taskOf map[int]uuid.UUID) {
	part := p.wish.Events
	if len(events) == 0 {
		return
	}
	to := part.successors()
	matters, units := unitsByMatter(p.facts, events, func(event WorkEvent) int { return event.Matter })
	for i, matter := range matters {
		if successor, found := taskOf[matter]; found && slices.Contains(to, successor) {
			units[i].among = []uuid.UUID{successor}
		}
	}
	successorOf := make(map[int]uuid.UUID, len(matters))
	for i, successor := range share(units, to, part.Distribution, p.facts.Loads.Events) {
		successorOf[matters[i]] = successor
	}
	for _, event := range events {
		p.moveEvent(event.ID, event.Owner, successorOf[event.Matter], ReasonNone, p.matter(event.Matter).Hidden)
	}
}

func inBoth(some, others []uuid.UUID) []uuid.UUID {
	var both []uuid.UUID
	for _, id := range some {
		if slices.Contains(others, id) {
			both = append(both, id)
		}
	}
	return both
}

// unitsByMatter makes one unit of all items of a matter, in the order of the matters.
func unitsByMatter[Item any](facts *WorkFacts, items []Item, matterOf func(Item) int) (matters []int, units []unit) {
	weights := make(map[int]int)
	for _, item := range items {
		weights[matterOf(item)]++
	}
	for place := range facts.Matters {
		if weight := weights[place]; weight > 0 {
			matters, units = append(matters, place), append(units, unit{id: facts.Matters[place].ID, weight: weight})
		}
	}
	return matters, units
}

// goesWithPerson tells whether a task belongs to somebody whom the wish hands over together with their tasks (B9).
func (p *workPlan) goesWithPerson(task WorkTask) bool {
	return task.Person != None && p.wish.People.Takes(p.facts.People[task.Person].Kind) && !p.wish.People.KeepTasks
}

// planPeople is B9: the successors take the leaver's place on people, and the leaver's share of their tasks. Past due does
// not matter here.
func (p *workPlan) planPeople() {
	part := p.wish.People
	if part == nil {
		return
	}
	var people []int
	var units []unit
	for place, person := range p.facts.People {
		if part.Takes(person.Kind) {
			served := unit{id: person.ID, weight: 1}
			served.hold(person.Staff)
			people, units = append(people, place), append(units, served)
		}
	}
	to := part.successors()
	successorsOf := make(map[int]StaffSet, len(people))
	if part.Distribution == DistributeEach {
		all := NewStaffSet(to...)
		for _, place := range people {
			successorsOf[place] = all
		}
	} else {
		for i, successor := range share(units, to, part.Distribution, p.facts.Loads.People) {
			successorsOf[people[i]] = StaffSet{successor}
		}
	}
	for _, place := range people {
		person := p.facts.People[place]
		p.addPerson(person.ID, person.Staff, p.inPlace(person.Staff, successorsOf[place]), ReasonNone)
	}
	for _, task := range p.facts.Tasks {
		if p.goesWithPerson(task) {
			p.handOverTask(task, successorsOf[task.Person])
		}
	}
}

// inPlace is a set with the successors in the place of the leaver.
func (p *workPlan) inPlace(set, successors StaffSet) StaffSet {
	return set.Minus(StaffSet{p.wish.From}).Union(successors)
}

func (p *workPlan) handOverTask(task WorkTask, successors StaffSet) {
	matter := p.matter(task.Matter)
	p.changeTask(task.ID, task.Assignees, p.inPlace(task.Assignees, successors), ReasonNone, matter != nil && matter.Hidden)
}
