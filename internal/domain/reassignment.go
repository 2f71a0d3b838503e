package domain

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// PlanWork decides what becomes of a leaver's work (B1 to B6, B9, B10). today is the date in the organization's time zone.
// Refusals come in the documented order: staff_not_found, staff_not_active. Of the items, each has one outcome: changed or
// left alone.
func PlanWork(facts *WorkFacts, wish WorkWish, today Date, now time.Time) (*Plan, error) {
	if err := CheckSuccessors(facts.Staff, wish); err != nil {
		return nil, err
	}
	if err := checkSharedWork(facts, wish); err != nil {
		return nil, err
	}
	p := workPlan{Plan: &Plan{}, facts: facts, wish: wish}
	p.planMatters()
	p.planPeople()
	tasks, events := p.judgeTasks(today), p.judgeEvents(now)
	p.shareTasksAndEvents(tasks, events)
	p.sortItems()
	return p.Plan, nil
}

// checkSharedWork refuses to give so much work to so many who all share it that no memory holds it.
func checkSharedWork(facts *WorkFacts, wish WorkWish) error {
	for _, part := range wish.parts() {
		if part.Distribution != DistributeEach {
			continue
		}
		subjects := len(facts.Tasks)
		if part.name == "people" {
			subjects += len(facts.People)
		}
		successors := len(part.successors())
		if successors > 1 && subjects*successors > MaxSharedSeats {
			return Refuse(CodeInvalidValue, "The %s for %d successors each are more than %d places. Name fewer, or share by round_robin or least_loaded.",
				part.name, successors, MaxSharedSeats).With("maximum", MaxSharedSeats).
				At("/"+part.name+"/to_staff_ids", CodeInvalidValue, "Too many for so much work.")
		}
	}
	return nil
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
