package domain

// planIntake creates the organization's intake tasks for those who get them (A5, A18), held by the new staff.
func planIntake(plan *Plan, facts *AssignmentFacts, change AssignmentChange, named StaffSet, intake Intake) {
	if !change.IncludeIntakeTasks || len(intake.Template) == 0 {
		return
	}
	for _, person := range facts.People {
		if intakeReason(person, change) != ReasonNone {
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

// intakeReason says why a person gets no intake tasks though they were asked for; none: the person gets them.
func intakeReason(person PersonFacts, change AssignmentChange) Reason {
	switch {
	case !change.IncludeIntakeTasks:
		return ReasonNone
	case len(person.Staff) > 0:
		return ReasonIntakeHadStaff
	case person.Kind != KindReferral && !change.IntakeForClients:
		return ReasonIntakeOnlyReferrals
	case person.HasIntakeTasks:
		return ReasonIntakeAlreadyCreated
	default:
		return ReasonNone
	}
}
