package app

import (
	"context"
	"time"

	"handover/internal/domain"
	"handover/internal/postgres"
)

const (
	// manyPeople is from how many on a change within a request is a large one.
	manyPeople = 1000
	// placePatience is how long a place is waited for.
	placePatience = 10 * time.Second
)

// place is that of one large change among those of an organization that this process carries out within requests. There are as many as
// asynchronous runs may be at work; who finds none in time is told to try again, or to leave it to a worker.
type place struct {
	places       *postgres.Shares
	organization domain.OrganizationID
	release      func() // nil: none was taken
}

func (a *App) placeFor(caller domain.Caller) *place {
	return &place{places: a.places, organization: caller.Organization}
}

// take waits for the place, unless the change is a small one, or has it. Nothing is locked by who waits.
func (p *place) take(ctx context.Context, people int) (err error) {
	if people < manyPeople || p.release != nil {
		return nil
	}
	p.release, err = p.places.Take(ctx, p.organization, placePatience)
	return err
}

func (p *place) leave() {
	if p.release != nil {
		p.release()
	}
}
