package domain_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestSummary(t *testing.T) {
	t.Run("A3 assign is what applies while nobody has staff", func(t *testing.T) {
		summary := domain.AssignmentSummary{Clients: 2, Referrals: 1}
		equal(t, "selected", summary.Selected(), 3)
		equal(t, "changes", fmt.Sprint(summary.AvailableChanges()), "[assign]")
	})
	t.Run("A3 add, replace and remove apply as soon as anybody has staff", func(t *testing.T) {
		summary := domain.AssignmentSummary{Clients: 2, PeopleWithStaff: 1}
		equal(t, "changes", fmt.Sprint(summary.AvailableChanges()), "[add replace remove]")
	})
	t.Run("A9 a task decision is required where the summary counts a task", func(t *testing.T) {
		equal(t, "required with one task", domain.AssignmentSummary{ActiveTasks: 1}.TaskPolicyRequired(), true)
		equal(t, "required with none", domain.AssignmentSummary{PeopleWithStaff: 1}.TaskPolicyRequired(), false)
	})
}

func TestSummarize(t *testing.T) {
	facts := scene("",
		person{name: "p1", staff: "ann bob", tasks: "call: ann xen, file:"},
		person{name: "p2", kind: domain.KindReferral, staff: "bob", tasks: "visit: bob"},
		person{name: "p3", tasks: "write: ann"})
	refs := map[uuid.UUID]domain.StaffRef{}
	for _, name := range []string{"ann", "bob", "xen"} {
		refs[id(name)] = domain.StaffRef{ID: id(name), Name: name, Status: domain.StaffActive}
	}
	summary := domain.Summarize(facts, refs)

	t.Run("A3 clients, referrals, and those who have staff", func(t *testing.T) {
		equal(t, "people", [3]int{summary.Clients, summary.Referrals, summary.PeopleWithStaff}, [3]int{2, 1, 2})
	})
	t.Run("A3 active tasks are those of people who have staff, unassigned ones too", func(t *testing.T) {
		equal(t, "tasks", summary.ActiveTasks, 3)
	})
	t.Run("A3 the staff assigned now with their people and tasks, who has most people first; who only holds a task is not among them", func(t *testing.T) {
		equal(t, "staff", fmt.Sprint(summary.Staff), fmt.Sprint([]domain.StaffCount{
			{Staff: refs[id("bob")], People: 2, ActiveTasks: 1}, {Staff: refs[id("ann")], People: 1, ActiveTasks: 1},
		}))
	})
	t.Run("A15 its revision is that of the facts", func(t *testing.T) {
		equal(t, "revision", summary.Revision, domain.Revision(facts))
	})
}

// revisionScene is two people, of whom one shares a task with somebody from outside.
func revisionScene() *domain.AssignmentFacts {
	return scene("",
		person{name: "p1", staff: "ann bob", tasks: "call: ann xen, file:"},
		person{name: "p2", kind: domain.KindReferral, staff: "ann", tasks: "visit: bob"})
}

func TestRevision(t *testing.T) {
	original := domain.Revision(revisionScene())

	changes := map[string]func(*domain.AssignmentFacts){
		"a person fewer": func(f *domain.AssignmentFacts) { f.People, f.Tasks = f.People[:1], f.Tasks[:2] },
		"a person who has neither staff nor task": func(f *domain.AssignmentFacts) {
			f.People = append(f.People, domain.PersonFacts{ID: id("p3"), Kind: domain.KindClient})
		},
		"another person with the same staff": func(f *domain.AssignmentFacts) { f.People[1].ID = id("p9") },
		"a referral who became a client":     func(f *domain.AssignmentFacts) { f.People[1].Kind = domain.KindClient },
		"a staff member more": func(f *domain.AssignmentFacts) {
			f.People[1].Staff = set("ann cat")
			f.Staff[id("cat")] = domain.StaffActive
		},
		"a staff member fewer":                func(f *domain.AssignmentFacts) { f.People[0].Staff = set("bob") },
		"a staff member on another person":    func(f *domain.AssignmentFacts) { f.People[0].Staff, f.People[1].Staff = set("ann"), set("ann bob") },
		"a staff member deactivated":          func(f *domain.AssignmentFacts) { f.Staff[id("bob")] = domain.StaffDeactivated },
		"a task fewer":                        func(f *domain.AssignmentFacts) { f.Tasks = f.Tasks[:2] },
		"another task with the same assignee": func(f *domain.AssignmentFacts) { f.Tasks[2].ID = id("visit-2") },
		"a task without assignees fewer":      func(f *domain.AssignmentFacts) { f.Tasks = slices.Delete(f.Tasks, 1, 2) },
		"an assignee more":                    func(f *domain.AssignmentFacts) { f.Tasks[1].Assignees = set("ann") },
		"an assignee fewer":                   func(f *domain.AssignmentFacts) { f.Tasks[0].Assignees = set("xen") },
		"an assignee on another task":         func(f *domain.AssignmentFacts) { f.Tasks[0].Assignees, f.Tasks[1].Assignees = set("ann"), set("xen") },
		"a task of another selected person":   func(f *domain.AssignmentFacts) { f.Tasks[2].Person = 0 },
	}
	for name, change := range changes {
		t.Run("A15 the revision changes with "+name, func(t *testing.T) {
			facts := revisionScene()
			change(facts)
			if domain.Revision(facts) == original {
				t.Errorf("the revision is still %s", original)
			}
		})
	}

	same := map[string]func(*domain.AssignmentFacts){
		"staff who are only named in the change": func(f *domain.AssignmentFacts) { f.Staff[id("new")] = domain.StaffActive },
		"the status of who only holds a task":    func(f *domain.AssignmentFacts) { f.Staff[id("xen")] = domain.StaffDeactivated },
		"intake tasks long done":                 func(f *domain.AssignmentFacts) { f.People[1].HasIntakeTasks = true },
		"the order in which staff were given":    func(f *domain.AssignmentFacts) { f.People[0].Staff = domain.NewStaffSet(ids("bob ann bob")...) },
	}
	for name, change := range same {
		t.Run("A15 the revision does not speak of "+name, func(t *testing.T) {
			facts := revisionScene()
			change(facts)
			equal(t, "revision", domain.Revision(facts), original)
		})
	}

	t.Run("A15 the revision is made of the same bytes in every version, so that a decision outlives a deploy", func(t *testing.T) {
		record := func(parts ...any) (bytes []byte) {
			for _, part := range parts {
				switch part := part.(type) {
				case string:
					bytes = append(bytes, part...)
				case uuid.UUID:
					bytes = append(bytes, part[:]...)
				}
			}
			return bytes
		}
		people := sha256.Sum256(record(id("p1"), "c", id("p2"), "r"))
		seats := sha256.Sum256(record(id("p1"), id("ann"), "a", id("p1"), id("bob"), "a", id("p2"), id("ann"), "a"))
		tasks := sha256.Sum256(record(id("call"), id("p1"), id("ann"), id("call"), id("p1"), id("xen"),
			id("file"), id("p1"), uuid.Nil, id("visit"), id("p2"), id("bob")))
		whole := sha256.Sum256(slices.Concat(people[:], seats[:], tasks[:]))
		equal(t, "revision", original, hex.EncodeToString(whole[:16]))
	})
	t.Run("A15 nobody has a revision too", func(t *testing.T) {
		equal(t, "length", len(domain.Revision(&domain.AssignmentFacts{})), 32)
	})
}
