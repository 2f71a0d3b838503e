package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"handover/internal/app"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
)

const (
	organizations = 3
	moversEach    = 3
	staffEach     = 10
)

// load is many clients of several organizations, who know what they must be answered.
type load struct {
	fleet     *fleet
	figures   *figures
	tenants   []*seed.Organization
	untouched *seed.Organization
	before    *invariants.Snapshot

	cancel   context.CancelFunc
	clients  sync.WaitGroup
	lock     sync.Mutex
	acked    []invariants.Acknowledged
	titles   map[uuid.UUID]string // of tasks, as they were acknowledged
	followed []*follower
}

func newLoad(ctx context.Context, fleet *fleet, people int) (*load, error) {
	l := &load{fleet: fleet, figures: &figures{reasons: map[string]int{}}, titles: map[uuid.UUID]string{}}
	for range organizations {
		tenant, err := seed.New(ctx, fleet.db, seed.Size{People: people, Staff: staffEach, Matters: 20})
		if err != nil {
			return nil, err
		}
		l.tenants = append(l.tenants, tenant)
	}
	var err error
	if l.untouched, err = seed.New(ctx, fleet.db, seed.Size{People: people, Staff: staffEach, Matters: 20}); err != nil {
		return nil, err
	}
	for _, tenant := range l.tenants {
		for _, staff := range tenant.Staff[1:3] {
			f, err := l.newFollower(ctx, tenant, staff)
			if err != nil {
				return nil, err
			}
			l.followed = append(l.followed, f)
		}
	}
	l.before, err = invariants.Take(ctx, fleet.db)
	return l, err
}

func (l *load) newFollower(ctx context.Context, tenant *seed.Organization, staff uuid.UUID) (*follower, error) {
	token := app.NewTokenText()
	if _, err := l.fleet.db.ExecContext(ctx, `INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, created_at) VALUES ($1, $2, $3, 'follower', $4, now())`,
		tenant.ID, uuid.Must(uuid.NewV7()), staff, app.TokenHash(token)); err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	return &follower{organization: tenant.ID, staff: staff, base: l.fleet.balancer.URL, token: token, figures: l.figures}, nil
}

func (l *load) client(tenant *seed.Organization) *client {
	return &client{
		base: l.fleet.balancer.URL, token: tenant.Token, figures: l.figures,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
	}
}

// begin starts all clients. Each works until end.
func (l *load) begin(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	start := func(work func(context.Context) error) {
		l.clients.Go(func() {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				l.figures.isWrong("%v", err)
			}
		})
	}
	for _, tenant := range l.tenants {
		half := len(tenant.People) / 2
		each := half / moversEach
		for n := range moversEach {
			start(func(ctx context.Context) error { return l.move(ctx, tenant, tenant.People[n*each:(n+1)*each]) })
		}
		start(func(ctx context.Context) error { return l.moveAll(ctx, tenant, tenant.People[half:]) })
		start(func(ctx context.Context) error { return l.edit(ctx, tenant) })
	}
	for _, follower := range l.followed {
		start(follower.follow)
	}
}

// end lets every client finish what it is at.
func (l *load) end() {
	l.cancel()
	l.clients.Wait()
}

func (l *load) acknowledged(tenant *seed.Organization, run uuid.UUID, succeeded bool) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.acked = append(l.acked, invariants.Acknowledged{Organization: tenant.ID, Run: run, Succeeded: succeeded})
	l.figures.changes.Add(1)
}

type madeRun struct {
	ID     uuid.UUID `json:"id"`
	Status string    `json:"status"`
}

type staffRef struct {
	ID uuid.UUID `json:"id"`
}

type person struct {
	ID    uuid.UUID  `json:"id"`
	Staff []staffRef `json:"staff"`
}

type task struct {
	ID        uuid.UUID  `json:"id"`
	Title     string     `json:"title"`
	PersonID  *uuid.UUID `json:"person_id"`
	Assignees []staffRef `json:"assignees"`
}

type page[T any] struct {
	Items []T `json:"items"`
}

func replacing(people []uuid.UUID, staff uuid.UUID) object {
	return object{
		"selection": object{"type": "people", "person_ids": people},
		"change":    object{"type": "replace", "staff_ids": []uuid.UUID{staff}, "task_policy": "reassign_all", "task_scope": "all"},
	}
}

// move moves some of the people that are this client's alone, and reads whether all are where it has moved them.
func (l *load) move(ctx context.Context, tenant *seed.Organization, own []uuid.UUID) error {
	c, at := l.client(tenant), map[uuid.UUID]uuid.UUID{}
	for ctx.Err() == nil {
		moved := make([]uuid.UUID, 0, 10)
		for _, n := range rand.Perm(len(own))[:1+rand.IntN(10)] {
			moved = append(moved, own[n])
		}
		to := tenant.Staff[1+rand.IntN(len(tenant.Staff)-1)]
		// What is at work is finished when the load ends, so that its answer is known.
		finishing := context.WithoutCancel(ctx)
		got, err := c.insist(finishing, http.MethodPost, "/v1/manage-assignments", replacing(moved, to), true)
		if err != nil {
			return err
		}
		var made madeRun
		if got.status != http.StatusOK || got.into(&made) != nil || made.Status != "succeeded" {
			return fmt.Errorf("a change is answered %d %.300s", got.status, got.body)
		}
		l.acknowledged(tenant, made.ID, true)
		for _, id := range moved {
			at[id] = to
		}
		if err := l.readMoved(finishing, c, moved, at); err != nil {
			return err
		}
		if _, err := c.insist(finishing, http.MethodPost, "/v1/assignment-summary", object{"selection": object{"type": "people", "person_ids": moved}}, false); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) readMoved(ctx context.Context, c *client, moved []uuid.UUID, at map[uuid.UUID]uuid.UUID) error {
	known := slices.Collect(maps.Keys(at))
	for _, id := range []uuid.UUID{moved[0], known[rand.IntN(len(known))]} {
		var read person
		if err := c.get(ctx, "/v1/people/"+id.String(), &read); err != nil {
			return err
		}
		if len(read.Staff) != 1 || read.Staff[0].ID != at[id] {
			l.figures.isWrong("person %s was moved to %s, and is read with %v (position %q)", id, at[id], read.Staff, c.position)
		}
	}
	names := make([]string, len(moved))
	for i, id := range moved {
		names[i] = id.String()
	}
	var tasks page[task]
	if err := c.get(ctx, "/v1/tasks?active=true&limit=200&person_id="+strings.Join(names, ","), &tasks); err != nil {
		return err
	}
	if len(tasks.Items) < 2*len(moved) {
		l.figures.isWrong("%d people have %d tasks", len(moved), len(tasks.Items))
	}
	for _, read := range tasks.Items {
		if len(read.Assignees) != 1 || read.Assignees[0].ID != at[*read.PersonID] {
			l.figures.isWrong("task %s was handed to %s, and is read with %v (position %q)", read.ID, at[*read.PersonID], read.Assignees, c.position)
		}
	}
	return nil
}

// moveAll moves many people at once, left to a worker, follows the run, and reads whether it did what it said.
func (l *load) moveAll(ctx context.Context, tenant *seed.Organization, own []uuid.UUID) error {
	c := l.client(tenant)
	for ctx.Err() == nil {
		to := tenant.Staff[1+rand.IntN(len(tenant.Staff)-1)]
		finishing := context.WithoutCancel(ctx)
		got, err := c.insist(finishing, http.MethodPost, "/v1/manage-assignments", replacing(own, to), true, "Prefer", "respond-async")
		if err != nil {
			return err
		}
		var made madeRun
		if got.status != http.StatusAccepted && got.status != http.StatusOK || got.into(&made) != nil {
			return fmt.Errorf("a change for a worker is answered %d %.300s", got.status, got.body)
		}
		l.acknowledged(tenant, made.ID, false)
		for began := time.Now(); made.Status != "succeeded"; {
			if made.Status == "failed" || made.Status == "cancelled" || time.Since(began) > 2*patience {
				return fmt.Errorf("run %s is %s after %s", made.ID, made.Status, time.Since(began).Round(time.Second))
			}
			wait(finishing, 100*time.Millisecond)
			if err := c.get(finishing, "/v1/runs/"+made.ID.String(), &made); err != nil {
				return err
			}
		}
		l.acknowledged(tenant, made.ID, true)
		for range 5 {
			var read person
			id := own[rand.IntN(len(own))]
			if err := c.get(finishing, "/v1/people/"+id.String(), &read); err != nil {
				return err
			}
			if len(read.Staff) != 1 || read.Staff[0].ID != to {
				l.figures.isWrong("run %s has succeeded, and person %s is read with %v (position %q)", made.ID, id, read.Staff, c.position)
			}
		}
		wait(ctx, 500*time.Millisecond)
	}
	return nil
}

// edit writes tasks, one at a time, and reads them back: by id and in a list.
func (l *load) edit(ctx context.Context, tenant *seed.Organization) error {
	c, external := l.client(tenant), uuid.NewString()
	for n := 0; ctx.Err() == nil; n++ {
		finishing := context.WithoutCancel(ctx)
		title := fmt.Sprintf("task %d of %s", n, external)
		got, err := c.insist(finishing, http.MethodPost, "/v1/tasks", object{"title": title}, true)
		if err != nil {
			return err
		}
		var made, read task
		if got.status != http.StatusCreated || got.into(&made) != nil {
			return fmt.Errorf("a new task is answered %d %.300s", got.status, got.body)
		}
		l.wrote(made.ID, title)
		if err := c.get(finishing, "/v1/tasks/"+made.ID.String(), &read); err != nil {
			return err
		}
		if read.Title != title {
			l.figures.isWrong("task %s was made as %q, and is read as %q", made.ID, title, read.Title)
		}
		got, err = c.insist(finishing, http.MethodPut, "/v1/tasks/by-external-id/"+external, object{"title": title}, false)
		if err != nil {
			return err
		}
		if got.status > http.StatusCreated || got.into(&made) != nil {
			return fmt.Errorf("a task by external id is answered %d %.300s", got.status, got.body)
		}
		l.wrote(made.ID, title)
		var list page[task]
		if err := c.get(finishing, "/v1/tasks?external_id="+external, &list); err != nil {
			return err
		}
		if len(list.Items) != 1 || list.Items[0].Title != title {
			l.figures.isWrong("the task %s was written as %q, and is listed as %v", external, title, list.Items)
		}
	}
	return nil
}

func (l *load) wrote(id uuid.UUID, title string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.titles[id] = title
	l.figures.changes.Add(1)
}
