package domain

// planIntake creates the organization's intake tasks for those who get them (A5, A18), held by the new staff.
func planIntake(plan *Plan, facts *AssignmentFacts, change AssignmentChange, named StaffSet, intake Intake) {
	if !change.createsIntakeTasks() {
		return
	}
	for _, person := range facts.People {
		if intakeReason(person, change, intake.Template) != ReasonNone {
			continue
		}
		for _, task := range intake.Template {
			plan.createTask(CreatedTask{
				ID: intake.NewID(), PersonID: person.ID, Title: task.Title, Details: task.Details,
				DueOn: intake.Today.AddDays(task.DaysUntilDue), Assignees: named,
			})
		}
	}
}

// createsIntakeTasks tells whether intake tasks were asked for and belong to the change: to assign, or to the older
// action that gives people their whole staff (A18).
func (c AssignmentChange) createsIntakeTasks() bool {
	return c.IncludeIntakeTasks && (c.Type == ChangeAssign || c.Type == ChangeReplace)
}

// intakeReason says why a person gets no intake tasks though they were asked for; none: the person gets them.
func intakeReason(person PersonFacts, change AssignmentChange, template []IntakeTask) Reason {
	switch {
	case !change.createsIntakeTasks():
		return ReasonNone
	case len(person.Staff) > 0:
		return ReasonIntakeHadStaff
	case person.Kind != KindReferral && !change.IntakeForClients:
		return ReasonIntakeOnlyReferrals
	case person.HasIntakeTasks:
		return ReasonIntakeAlreadyCreated
	case len(template) == 0:
		return ReasonIntakeTemplateEmpty
	default:
		return ReasonNone
	}
}
