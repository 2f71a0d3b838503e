package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// query collects the parts of a list's statement with their arguments. The first condition is always the organization.
type query struct {
	joins      []string
	conditions []string
	args       []any
	// id is the column that the list is ordered and continued by. It is taken from the table that narrows the list
	// most, so that its index gives the order.
	id string
	// table is what the list reads from where that is not the plain table.
	table string
	// once is set where planning for just these values is worth more than a prepared statement.
	once bool
}

func newQuery(alias string, organization domain.OrganizationID) *query {
	q := &query{id: alias + ".id"}
	q.and(alias+".organization_id = %s", organization.String())
	return q
}

// arg adds an argument and gives its placeholder.
func (q *query) arg(value any) string {
	q.args = append(q.args, value)
	return fmt.Sprintf("$%d", len(q.args))
}

// and adds a condition; each %s in it stands for one of the values.
func (q *query) and(condition string, values ...any) {
	q.conditions = append(q.conditions, q.fill(condition, values))
}

func (q *query) join(join string, values ...any) {
	q.joins = append(q.joins, q.fill(join, values))
}

func (q *query) fill(text string, values []any) string {
	places := make([]any, len(values))
	for i, value := range values {
		places[i] = q.arg(value)
	}
	return fmt.Sprintf(text, places...)
}

func (q *query) andAnyOf(column string, values []string) {
	switch len(values) {
	case 0:
	case 1:
		q.and(column+" = %s", values[0])
	default:
		q.and(column+" = ANY (%s)", pq.Array(values))
	}
}

func (q *query) andAnyID(column string, values []uuid.UUID) {
	switch len(values) {
	case 0:
	case 1:
		q.and(column+" = %s", values[0])
	default:
		q.and(column+" = ANY (%s)", ids(values))
	}
}

// andWords adds a search: for each word of the text, one of the words of an expression, which is in lower case, begins
// with it.
func (q *query) andWords(expression, text string) {
	for _, prefix := range domain.SearchPrefixes(text) {
		q.and(`' ' || `+expression+` LIKE %s`, "% "+escapeLike(prefix)+"%")
		q.once = true // one statement for each number of words would crowd out those that come often
	}
}

func (q *query) andBool(condition string, wanted *bool) {
	switch {
	case wanted == nil:
	case *wanted:
		q.and(condition)
	default:
		q.and("NOT " + condition)
	}
}

// from is the statement from FROM to the end of WHERE.
func (q *query) from(table string) string {
	if q.table != "" {
		table = q.table
	}
	return "FROM " + table + " " + strings.Join(q.joins, " ") + " " + q.where()
}

// where is the WHERE of a statement that joins nothing itself.
func (q *query) where() string { return "WHERE " + strings.Join(q.conditions, " AND ") }

// page is the statement from FROM on, continued after the page's last row, with one row more than the page holds: that
// it comes tells that there is a next page.
func (q *query) page(table string, page domain.Page) string {
	return q.after(table, page) + " LIMIT " + q.arg(page.Limit+1)
}

// widestPage is the same for the largest page there is. The page that was asked for is cut from it: the statement that
// does so is the same for each size, and is planned for few rows.
func (q *query) widestPage(table string, page domain.Page) string {
	return q.after(table, page) + " LIMIT " + strconv.Itoa(domain.MaxPage+1)
}

func (q *query) after(table string, page domain.Page) string {
	if page.After != uuid.Nil {
		q.and(q.id+" > %s", page.After)
	}
	return q.from(table) + " ORDER BY " + q.id
}

func texts[T ~string](values []T) []string {
	converted := make([]string, len(values))
	for i, value := range values {
		converted[i] = string(value)
	}
	return converted
}

// lastRune sorts after every character in the C collation: a prefix and this end the prefix's range.
const lastRune = "\U0010FFFF"

const activeTask = "status IN ('open', 'in_progress')"

// seenPeople narrows people (alias p) to those the caller sees (A2).
func (q *query) seenPeople(caller domain.Caller) {
	if caller.SeesEveryone() {
		return
	}
	q.and("("+seenPerson+")", pq.Array(texts(caller.SeenKinds())), caller.StaffID)
}

// seenPerson is what makes a person (alias p) seen by the kinds and the staff id that fill it.
const seenPerson = `p.kind = ANY (%s) OR EXISTS (SELECT FROM assignments own WHERE own.organization_id = p.organization_id AND own.person_id = p.id AND own.staff_id = %s)`

func (q *query) filterPeople(filter domain.PersonFilter) {
	q.andAnyOf("p.kind", texts(filter.Kinds))
	q.andAnyOf("p.status", texts(filter.Statuses))
	q.andAnyOf("p.external_id", filter.ExternalIDs)
	q.peopleOfStaff(filter.StaffIDs)
	if filter.SelectionID != nil {
		// The selection comes first, and each of its people is looked up, whatever the planner takes the selection's size for:
		// it would walk through everybody to find the one person of a small selection. OFFSET keeps it from doing so.
		q.table = `selection_people chosen JOIN LATERAL (SELECT p.organization_id, ` + personColumns + ` FROM people p
			WHERE p.organization_id = chosen.organization_id AND p.id = chosen.person_id OFFSET 0) p ON true`
		q.and("chosen.organization_id = $1 AND chosen.selection_id = %s", *filter.SelectionID)
		q.id = "chosen.person_id"
	}
	q.andBool("EXISTS (SELECT FROM assignments a WHERE a.organization_id = p.organization_id AND a.person_id = p.id)", filter.HasStaff)
	q.andBool("EXISTS (SELECT FROM tasks t WHERE t.organization_id = p.organization_id AND t.person_id = p.id AND t."+activeTask+")", filter.HasActiveTasks)
	q.searchPeople(filter.Query)
}

func (q *query) peopleOfStaff(staff []uuid.UUID) {
	switch len(staff) {
	case 0:
	case 1:
		q.join("JOIN assignments held ON held.organization_id = p.organization_id AND held.person_id = p.id AND held.staff_id = %s", staff[0])
		q.id = "held.person_id"
	default:
		q.and("EXISTS (SELECT FROM assignments a WHERE a.organization_id = p.organization_id AND a.person_id = p.id AND a.staff_id = ANY (%s))", ids(staff))
	}
}

func (q *query) filterTasks(filter domain.TaskFilter, today domain.Date) {
	q.andAnyOf("t.status", texts(filter.Statuses))
	q.andAnyOf("t.external_id", filter.ExternalIDs)
	q.andBool("(t."+activeTask+")", filter.Active)
	switch len(filter.AssigneeIDs) {
	case 0:
	case 1:
		q.join("JOIN task_assignees held ON held.organization_id = t.organization_id AND held.task_id = t.id AND held.staff_id = %s", filter.AssigneeIDs[0])
		q.and("held.organization_id = $1")
		q.id = "held.task_id"
	default:
		q.and("EXISTS (SELECT FROM task_assignees a WHERE a.organization_id = t.organization_id AND a.task_id = t.id AND a.staff_id = ANY (%s))", ids(filter.AssigneeIDs))
	}
	if filter.Unassigned != nil {
		const assigned = "EXISTS (SELECT FROM task_assignees a WHERE a.organization_id = t.organization_id AND a.task_id = t.id)"
		if *filter.Unassigned {
			q.and("t." + activeTask + " AND NOT " + assigned)
		} else {
			q.and(assigned)
		}
	}
	if len(filter.PersonIDs) > 0 {
		q.and("t.person_id = ANY (%s)", ids(filter.PersonIDs))
	}
	if len(filter.MatterIDs) > 0 {
		q.and("t.matter_id = ANY (%s)", ids(filter.MatterIDs))
	}
	if filter.PersonHasStaff != nil {
		q.and("t.person_id IS NOT NULL")
		q.andBool("EXISTS (SELECT FROM assignments a WHERE a.organization_id = t.organization_id AND a.person_id = t.person_id)", filter.PersonHasStaff)
	}
	q.once = q.once || filter.DueFrom != nil || filter.DueTo != nil
	if filter.DueFrom != nil {
		q.and("t.due_on >= %s", filter.DueFrom.String())
	}
	if filter.DueTo != nil {
		q.and("t.due_on <= %s", filter.DueTo.String())
	}
	if filter.PastDue != nil {
		q.andBool("(t."+activeTask+" AND t.due_on IS NOT NULL AND t.due_on < "+q.arg(today.String())+")", filter.PastDue)
	}
	q.andWords("lower(t.title)", filter.Query)
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func escapeLike(text string) string { return likeEscaper.Replace(text) }
