package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// The bounds of W4.
const (
	listAtLeast = 0.7
	deepAtMost  = 1.2
	deepPage    = 10_000
	pageSize    = 50
	walkSize    = 200 // pages are passed four at a time on the way down
)

// measureList is W4: the tasks of one assignee, 50 to a page, by 16 clients; and a page far down against the first.
func measureList(ctx context.Context, b *bench) error {
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	bare, err := startBareList(ctx, pool, b.world.organization)
	if err != nil {
		return err
	}
	defer func() { _ = bare.server.Close() }() // nobody is served any more
	var ofService, ofBare [][]byte
	for number := staffOrdinary; number < staffCount; number += 3 {
		staff, err := b.id(ctx, kindStaff, number)
		if err != nil {
			return err
		}
		fromService, err := request(http.MethodGet, "/v1/tasks?assignee_id="+staff+"&limit=50", b.service.token, nil)
		if err != nil {
			return err
		}
		fromBare, err := request(http.MethodGet, "/tasks?assignee_id="+staff, "none", nil)
		if err != nil {
			return err
		}
		ofService, ofBare = append(ofService, fromService), append(ofBare, fromBare)
	}
	for i := range ofService {
		if err := sameTasks(ctx, b.service.address, ofService[i], bare.address, ofBare[i]); err != nil {
			return err
		}
	}
	taken, err := inTurns(ctx, b.rounds,
		side{"service", func(ctx context.Context) (time.Duration, error) {
			return load(ctx, b.service.address, clients, loadDuration, around(ofService))
		}},
		side{"floor", func(ctx context.Context) (time.Duration, error) {
			return load(ctx, bare.address, clients, loadDuration, around(ofBare))
		}},
	)
	if err != nil {
		return err
	}
	b.addThroughputs("W4", fmt.Sprintf("tasks of one assignee, %d to a page, %d clients", pageSize, clients), "a bare Echo handler", taken[0], taken[1], listAtLeast)
	return measureDepth(ctx, b)
}

// around gives one request after the other, from the first again after the last.
func around(requests [][]byte) func() []byte {
	var at atomic.Int64
	return func() []byte { return requests[int(at.Add(1))%len(requests)] }
}

type taskPage struct {
	Items []struct {
		ID        string            `json:"id"`
		Assignees []json.RawMessage `json:"assignees"`
	} `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// sameTasks makes sure that both sides answer with the same tasks and assignees.
func sameTasks(ctx context.Context, serviceAddress string, fromService []byte, bareAddress string, fromBare []byte) error {
	var pages [2]taskPage
	for i, asked := range []struct {
		address string
		request []byte
	}{{serviceAddress, fromService}, {bareAddress, fromBare}} {
		client, err := call(ctx, asked.address)
		if err != nil {
			return err
		}
		status, body, err := client.ask(asked.request)
		client.hangUp()
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("the list answered %d: %s", status, body)
		}
		if err := json.Unmarshal(body, &pages[i]); err != nil {
			return fmt.Errorf("read a page: %w", err)
		}
	}
	same := slices.EqualFunc(pages[0].Items, pages[1].Items, func(x, y struct {
		ID        string            `json:"id"`
		Assignees []json.RawMessage `json:"assignees"`
	},
	) bool {
		return x.ID == y.ID && len(x.Assignees) == len(y.Assignees)
	})
	if !same || len(pages[0].Items) == 0 {
		return errors.New("the two sides answered with other tasks")
	}
	return nil
}

// measureDepth compares how long the first page takes with one far down, for one client.
func measureDepth(ctx context.Context, b *bench) error {
	staff, err := b.id(ctx, kindStaff, staffArchive)
	if err != nil {
		return err
	}
	path := "/v1/tasks?assignee_id=" + staff
	cursor, page, err := descend(ctx, b, path)
	if err != nil {
		return err
	}
	top, err := request(http.MethodGet, path+"&limit=50", b.service.token, nil)
	if err != nil {
		return err
	}
	deep, err := request(http.MethodGet, path+"&limit=50&cursor="+url.QueryEscape(cursor), b.service.token, nil)
	if err != nil {
		return err
	}
	const repeats = 100
	many := func(text []byte) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			client, err := call(ctx, b.service.address)
			if err != nil {
				return 0, err
			}
			defer client.hangUp()
			var each series
			for range repeats {
				took, err := timed(func() error {
					status, body, err := client.ask(text)
					if err == nil && status != http.StatusOK {
						err = fmt.Errorf("answered %d: %s", status, body)
					}
					return err
				})
				if err != nil {
					return 0, err
				}
				each = append(each, took)
			}
			return each.median(), nil
		}
	}
	taken, err := inTurns(ctx, 2*b.rounds, side{"deep page", many(deep)}, side{"first page", many(top)})
	if err != nil {
		return err
	}
	b.addDurations("W4", fmt.Sprintf("page %d of such a list", page), "its page 1", taken[0], taken[1], deepAtMost)
	return nil
}

// descend walks down a list to its 10,000th page of 50, or as far as a whole page is left, and tells the cursor and the number of
// that page.
func descend(ctx context.Context, b *bench, path string) (cursor string, page int, err error) {
	for passed := 0; passed+walkSize < deepPage*pageSize; passed += walkSize {
		asked := fmt.Sprintf("%s&limit=%d", path, walkSize)
		if cursor != "" {
			asked += "&cursor=" + url.QueryEscape(cursor)
		}
		var found taskPage
		if err := b.service.do(ctx, http.MethodGet, asked, nil, &found); err != nil {
			return "", 0, err
		}
		if found.NextCursor == nil || len(found.Items) < walkSize {
			break
		}
		cursor, page = *found.NextCursor, (passed+walkSize)/pageSize+1
	}
	return cursor, page, nil
}
