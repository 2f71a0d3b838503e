package acceptance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// told is the page of a member's notifications, the newest first.
func (w *world) told(m member, query string) api.NotificationPage {
	w.t.Helper()
	return decode[api.NotificationPage](w.get(m, "/v1/notifications"+query).must(200))
}

// toldOnce is the one notification that a member has of a run.
func (w *world) toldOnce(m member, run api.Run) api.Notification {
	w.t.Helper()
	var found []api.Notification
	for _, notification := range w.told(m, "?limit=200").Items {
		if id, err := notification.RunID.Get(); err == nil && id == run.ID.MustGet() {
			found = append(found, notification)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("got %d notifications of the run, want one: %+v", len(found), found)
	}
	return found[0]
}

// untold fails the test where a member was told anything.
func (w *world) untold(members ...member) {
	w.t.Helper()
	for _, m := range members {
		if page := w.told(m, ""); len(page.Items) != 0 || page.UnreadCount != 0 {
			w.t.Errorf("got notifications %+v", page.Items)
		}
	}
}

func work(t testing.TB, notification api.Notification, kind string, want api.NotificationWork) {
	t.Helper()
	if notification.Kind != kind || notification.Work != want {
		t.Errorf("got %s of %+v, want %s of %+v", notification.Kind, notification.Work, kind, want)
	}
}

func itemIDs(notification api.Notification) []uuid.UUID {
	ids := make([]uuid.UUID, len(notification.Items))
	for i, item := range notification.Items {
		ids[i] = item.ItemID
	}
	return ids
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B7 whoever receives work is told once for the run, however many items, with what was received and where it is", func(t *testing.T, w *world) {
		lea, ann, bob, eve := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		for range 12 {
			matter := w.matter("everyone", lea)
			w.workOn(matter, lea)
			w.workOn(matter, lea)
			w.eventOn(matter, evening.Add(48*time.Hour), lea)
		}
		client := w.person("client", lea, eve)
		w.task(client, lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "", bob), given("events", "", ann), given("people", "", bob)))
		anns, bobs := w.toldOnce(ann, run), w.toldOnce(bob, run)
		work(t, anns, "work_received", api.NotificationWork{Matters: 12, Events: 12})
		work(t, bobs, "work_received", api.NotificationWork{People: 1, Tasks: 25})
		if got := anns.From.MustGet(); got.ID != lea.ID {
			t.Errorf("got from %+v", got)
		}
		if got := anns.Actor.MustGet(); got.ID != w.Admin.ID {
			t.Errorf("got actor %+v", got)
		}
		if anns.Links.Self != "/v1/notifications/"+anns.ID.String() {
			t.Errorf("got links %+v", anns.Links)
		}
		w.untold(eve, w.Admin)
		again := decode[api.Notification](w.get(ann, anns.Links.Self).must(200))
		if again.ID != anns.ID || len(again.Items) != len(anns.Items) {
			t.Errorf("got %+v, want %+v", again, anns)
		}
	})

	s.rule(t, "B7 the links lead to the receiver's own work", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		task, event := w.workOn(matter, lea), w.eventOn(matter, evening.Add(time.Hour), lea)
		client := w.person("client", lea)
		links := w.toldOnce(ann, w.reassigned(handOver(lea, allTo(ann)))).Links
		type page struct {
			Items []struct {
				ID uuid.UUID `json:"id"`
			} `json:"items"`
		}
		for path, want := range map[string]uuid.UUID{links.Matters: matter, links.Tasks: task, links.Events: event, links.People: client} {
			if got := decode[page](w.get(ann, path).must(200)); len(got.Items) != 1 || got.Items[0].ID != want {
				t.Errorf("%s lists %+v, want %s", path, got.Items, want)
			}
		}
	})

	s.rule(t, "B7 the items due next come first: tasks by their date, events by their start, then what has none", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		undated := w.workOn(matter, lea)
		later, sooner := w.due(w.workOn(matter, lea), "2026-03-09"), w.due(w.workOn(matter, lea), "2026-03-03")
		// In Toronto the event is in the evening of the third, after the day that the task is due on has begun.
		event := w.eventOn(matter, time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC), lea)
		client := w.person("client", lea)
		notification := w.toldOnce(ann, w.reassigned(handOver(lea, allTo(ann))))
		if got, want := itemIDs(notification), []uuid.UUID{sooner, event, later, undated, matter, client}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		first, second := notification.Items[0], notification.Items[1]
		if first.Kind != "task" || first.Label != "Task" || first.DueOn.MustGet().String() != "2026-03-03" || !first.StartsAt.IsNull() {
			t.Errorf("got %+v", first)
		}
		if second.Kind != "calendar_event" || !second.DueOn.IsNull() || !second.StartsAt.MustGet().Equal(time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)) {
			t.Errorf("got %+v", second)
		}
		if got, want := notification.Items[4].Label, matter.String()[30:]+" Matter"; got != want {
			t.Errorf("got label %q, want %q", got, want)
		}
	})

	s.rule(t, "B7 B5 what is about somebody, or a matter, says so, as far as the receiver sees that", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		open, secret := w.matter("everyone", lea), w.matter("groups", lea)
		ofOpen, ofSecret, hearing := w.workOn(open, lea), w.workOn(secret, lea), w.eventOn(open, evening.Add(time.Hour), lea)
		client := w.person("client", lea)
		ofClient := w.task(client, lea)
		told := w.toldOnce(ann, w.reassigned(handOver(lea, given("tasks", "", ann), given("events", "", ann), given("people", "", ann))))
		label := open.String()[30:] + " Matter"
		name := decode[api.Person](w.get(ann, "/v1/people/"+client.String()).must(200))
		of := map[uuid.UUID]api.NotificationItem{}
		for _, item := range told.Items {
			of[item.ItemID] = item
		}
		for id, want := range map[uuid.UUID]api.NotificationConcern{
			ofOpen: {Kind: "matter", ID: open, Label: label}, hearing: {Kind: "matter", ID: open, Label: label},
			ofClient: {Kind: "person", ID: client, Label: name.FirstName + " " + name.LastName},
		} {
			if got, err := of[id].Concerns.Get(); err != nil || got != want {
				t.Errorf("got %+v, want %+v", of[id], want)
			}
		}
		// The task is theirs, whatever its matter.
		for _, id := range []uuid.UUID{ofSecret, client} {
			if item, found := of[id]; !found || !item.Concerns.IsNull() {
				t.Errorf("got %+v", item)
			}
		}
	})

	s.rule(t, "B7 at most 20 items are named, and all are counted", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", ann)
		var want []uuid.UUID
		for i := range 25 {
			want = append(want, w.due(w.workOn(matter, lea), time.Date(2026, 4, 25-i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)))
		}
		slices.Reverse(want)
		notification := w.toldOnce(ann, w.reassigned(handOver(lea, given("tasks", "", ann))))
		work(t, notification, "work_received", api.NotificationWork{Tasks: 25})
		if got := itemIDs(notification); !slices.Equal(got, want[:20]) {
			t.Errorf("got %v, want %v", got, want[:20])
		}
	})

	s.rule(t, "B7 the leaver is told what was handed over; a deactivated one is not", func(t *testing.T, w *world) {
		lea, gone, ann := w.member("member"), w.member("member"), w.member("member")
		for _, leaver := range []member{lea, gone} {
			matter := w.matter("everyone", leaver)
			w.workOn(matter, leaver)
			w.eventOn(matter, evening.Add(time.Hour), leaver)
			w.person("client", leaver)
		}
		w.deactivate(gone)
		notification := w.toldOnce(lea, w.reassigned(handOver(lea, allTo(ann))))
		work(t, notification, "work_handed_over", api.NotificationWork{People: 1, Tasks: 1, Matters: 1, Events: 1})
		w.reassigned(handOver(gone, allTo(ann)))
		if n := w.count(`SELECT count(*) FROM notifications WHERE organization_id = $1 AND staff_id = $2`, w.ID, gone.ID); n != 0 {
			t.Errorf("who is deactivated was told %d times", n)
		}
	})

	s.rule(t, "B7 nothing handed over tells nobody, and neither does a preview", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.reassigned(handOver(lea, allTo(ann)))
		w.matter("everyone", lea)
		w.previewed(handOver(lea, allTo(ann)))
		w.untold(lea, ann, w.Admin)
	})

	s.rule(t, "B7 managing assignments tells the new staff of their people and tasks, intake tasks included, once for the run", func(t *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": []object{{"title": "Call", "details": "", "days_until_due": 3}}}, header{"If-Match", "*"}).must(200)
		var referrals []uuid.UUID
		for range 3 {
			referrals = append(referrals, w.person("referral"))
		}
		run := decode[api.Run](w.manage(w.Admin, people(referrals...), change("assign", object{"staff_ids": idsOf(ann, bob), "include_intake_tasks": true})).must(200))
		for _, m := range []member{ann, bob} {
			notification := w.toldOnce(m, run)
			work(t, notification, "work_received", api.NotificationWork{People: 3, Tasks: 3})
			if !notification.From.IsNull() || notification.Items[0].Kind != "task" || notification.Items[0].DueOn.MustGet().String() != "2026-03-04" {
				t.Errorf("got %+v", notification)
			}
		}
		// Whoever has them already, or loses them, is not told of it.
		second := decode[api.Run](w.manage(w.Admin, people(referrals...), change("replace", object{"staff_ids": idsOf(ann, cat), "task_policy": "reassign_all"})).must(200))
		work(t, w.toldOnce(cat, second), "work_received", api.NotificationWork{People: 3, Tasks: 3})
		if page := w.told(ann, ""); len(page.Items) != 1 {
			t.Errorf("who had it already was told %+v", page.Items)
		}
		if page := w.told(bob, ""); len(page.Items) != 1 {
			t.Errorf("who lost it was told %+v", page.Items)
		}
	})

	s.rule(t, "B7 repeating a run with its key tells nobody again", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		body := handOver(lea, given("matters", "", ann))
		run := decode[api.Run](w.reassign(body, header{"Idempotency-Key", "again"}).must(200))
		w.reassign(body, header{"Idempotency-Key", "again"}).must(200)
		w.toldOnce(ann, run)
		w.toldOnce(lea, run)
		if n := w.told(ann, "").UnreadCount; n != 1 {
			t.Errorf("got %d unread", n)
		}
	})

	s.rule(t, "B5 what has become hidden is withheld from a notification: items, counts and mails", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		shared, secret := w.matter("everyone", lea), w.matter("everyone", lea)
		kept, hidden := w.workOn(shared, lea), w.workOn(secret, lea)
		w.eventOn(secret, evening.Add(time.Hour), lea)
		run := w.reassigned(handOver(lea, given("matters", "", bob), given("tasks", "", ann), given("events", "", ann)))
		work(t, w.toldOnce(ann, run), "work_received", api.NotificationWork{Tasks: 2, Events: 1})
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, secret)
		anns, leas, bobs := w.toldOnce(ann, run), w.toldOnce(lea, run), w.toldOnce(bob, run)
		work(t, anns, "work_received", api.NotificationWork{Tasks: 1})
		work(t, leas, "work_handed_over", api.NotificationWork{Tasks: 1, Matters: 1})
		work(t, bobs, "work_received", api.NotificationWork{Matters: 2})
		if got := itemIDs(anns); !slices.Equal(got, []uuid.UUID{kept}) || slices.Contains(itemIDs(leas), hidden) || slices.Contains(itemIDs(leas), secret) {
			t.Errorf("got items %v and %v", got, itemIDs(leas))
		}
		if len(bobs.Items) != 2 {
			t.Errorf("whose matter it is sees %+v", bobs.Items)
		}
	})

	s.rule(t, "A2 who is given work on a matter of groups they are not in is told of the work as long as they have it, and not of the matter", func(t *testing.T, w *world) {
		lea, ann, bob, cem := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		matter, other := w.matter("groups", lea), w.matter("groups", lea)
		task, next, event := w.workOn(matter, lea), w.workOn(matter, lea), w.eventOn(matter, evening.Add(time.Hour), lea)
		w.workOn(other, ann) // not of the run
		run := w.reassigned(handOver(lea, given("matters", "", bob), given("tasks", "", ann), given("events", "", ann)))
		told := w.toldOnce(ann, run)
		work(t, told, "work_received", api.NotificationWork{Tasks: 2, Events: 1})
		sameIDs(t, "items", itemIDs(told), task, next, event)
		work(t, w.toldOnce(bob, run), "work_received", api.NotificationWork{Matters: 2})
		leas := w.toldOnce(lea, run)
		if work(t, leas, "work_handed_over", api.NotificationWork{}); len(leas.Items) != 0 {
			t.Errorf("who has it no more is told of %+v", leas.Items)
		}
		for _, item := range told.Items {
			path := map[string]string{"task": "/v1/tasks/", "calendar_event": "/v1/calendar-events/"}[string(item.Kind)]
			w.get(ann, path+item.ItemID.String()).must(200)
		}
		w.get(ann, "/v1/matters/"+matter.String()).problem(404, "not_found")

		w.reassigned(handOver(ann, given("tasks", "", cem), given("events", "", cem)))
		told = w.toldOnce(ann, run)
		if work(t, told, "work_received", api.NotificationWork{}); len(told.Items) != 0 {
			t.Errorf("who has passed it on is told of %+v", told.Items)
		}
	})

	s.rule(t, "A2 an item that the receiver does not see any more is not named", func(t *testing.T, w *world) {
		ann := w.member("member")
		first, second := w.person("client"), w.person("client")
		run := decode[api.Run](w.manage(w.Admin, people(first, second), change("assign", object{"staff_ids": idsOf(ann)})).must(200))
		w.manage(w.Admin, people(first), change("remove", object{"all_staff": true})).must(200)
		if got := itemIDs(w.toldOnce(ann, run)); !slices.Equal(got, []uuid.UUID{second}) {
			t.Errorf("got %v, want %v", got, second)
		}
	})
}

func TestReadingNotifications(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	// give has a member told of so many runs, the oldest first.
	give := func(w *world, m member, times int) []api.Run {
		var runs []api.Run
		for range times {
			runs = append(runs, decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(m)})).must(200)))
		}
		return runs
	}

	s.rule(t, "D2 notifications are listed the newest first, page by page, read and unread", func(t *testing.T, w *world) {
		ann := w.member("member")
		runs := give(w, ann, 7)
		slices.Reverse(runs)
		path := "/v1/notifications?limit=3&include_total=true"
		var seen []uuid.UUID
		for path != "" {
			page := decode[api.NotificationPage](w.get(ann, path).must(200))
			if page.UnreadCount != 7 || *page.Total != 7 {
				t.Fatalf("got %d unread of %d", page.UnreadCount, *page.Total)
			}
			for _, notification := range page.Items {
				seen = append(seen, notification.RunID.MustGet())
			}
			path = ""
			if cursor, err := page.NextCursor.Get(); err == nil {
				path = "/v1/notifications?limit=3&include_total=true&cursor=" + cursor
			}
		}
		if len(seen) != 7 {
			t.Fatalf("got %d of 7", len(seen))
		}
		for i, run := range runs {
			if seen[i] != run.ID.MustGet() {
				t.Fatalf("at %d is run %s, want %s", i, seen[i], run.ID.MustGet())
			}
		}
		if page := w.told(ann, "?kind=run_failed"); len(page.Items) != 0 || page.UnreadCount != 7 {
			t.Errorf("got %+v", page)
		}
		if page := w.told(ann, "?kind=run_failed,work_received&unread=true"); len(page.Items) != 7 {
			t.Errorf("got %d", len(page.Items))
		}
	})

	s.rule(t, "D2 some are marked as read, then all; doing it again changes nothing", func(t *testing.T, w *world) {
		ann := w.member("member")
		give(w, ann, 5)
		ids := w.told(ann, "").Items
		mark := func(body object, want api.NotificationsMarked) {
			t.Helper()
			if got := decode[api.NotificationsMarked](w.as(ann, "POST", "/v1/notifications/mark-read", body).must(200)); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		some := object{"notification_ids": []uuid.UUID{ids[1].ID, ids[3].ID, ids[1].ID}}
		mark(some, api.NotificationsMarked{Marked: 2, UnreadCount: 3})
		mark(some, api.NotificationsMarked{Marked: 0, UnreadCount: 3})
		unread, read := w.told(ann, "?unread=true"), w.told(ann, "?unread=false&include_total=true")
		if len(unread.Items) != 3 || len(read.Items) != 2 || *read.Total != 2 || read.Items[0].ReadAt.IsNull() || !unread.Items[0].ReadAt.IsNull() {
			t.Errorf("got unread %+v, read %+v", unread.Items, read.Items)
		}
		mark(object{"all": true}, api.NotificationsMarked{Marked: 3, UnreadCount: 0})
		mark(object{"all": true}, api.NotificationsMarked{Marked: 0, UnreadCount: 0})
	})

	s.rule(t, "D2 a key makes marking safe to repeat", func(t *testing.T, w *world) {
		ann := w.member("member")
		give(w, ann, 2)
		first := w.as(ann, "POST", "/v1/notifications/mark-read", object{"all": true}, header{"Idempotency-Key", "k"}).must(200)
		again := w.as(ann, "POST", "/v1/notifications/mark-read", object{"all": true}, header{"Idempotency-Key", "k"}).must(200)
		if again.Header.Get("Idempotency-Replayed") != "true" || string(first.Body) != string(again.Body) {
			t.Errorf("got %s, then %s", first.Body, again.Body)
		}
	})

	s.rule(t, "D2 what to mark is said in one way, and is the caller's own", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		give(w, ann, 1)
		give(w, bob, 1)
		own, others := w.told(ann, "").Items[0].ID, w.told(bob, "").Items[0].ID
		for _, body := range []object{{}, {"all": false}, {"all": true, "notification_ids": []uuid.UUID{own}}} {
			w.as(ann, "POST", "/v1/notifications/mark-read", body).problem(422, "invalid_value")
		}
		w.as(ann, "POST", "/v1/notifications/mark-read", object{"notification_ids": []uuid.UUID{}}).problem(400, "invalid_request")
		problem := w.as(ann, "POST", "/v1/notifications/mark-read", object{"notification_ids": []uuid.UUID{own, others, newID()}}).problem(422, "notification_not_found")
		if len(problem.Errors) != 2 || problem.Errors[0].Pointer != "/notification_ids/1" || problem.Errors[1].Pointer != "/notification_ids/2" {
			t.Errorf("got errors %+v", problem.Errors)
		}
		if n := w.told(ann, "").UnreadCount; n != 1 {
			t.Errorf("something was marked all the same: %d unread", n)
		}
		w.get(ann, "/v1/notifications/"+others.String()).problem(404, "not_found")
		w.get(w.Admin, "/v1/notifications/"+others.String()).problem(404, "not_found")
	})

	s.rule(t, "D2 numbers have no gap, and order what runs at the same time did", func(t *testing.T, w *world) {
		ann := w.member("member")
		var runs []<-chan answer
		for i := range 20 {
			person := w.person("client")
			done := make(chan answer, 1)
			runs = append(runs, done)
			go func() {
				done <- w.manage(w.Admin, people(person), change("assign", object{"staff_ids": idsOf(ann)}), object{"reason": fmt.Sprint(i)})
			}()
		}
		for _, done := range runs {
			(<-done).must(200)
		}
		if n := w.count(`SELECT count(*) FROM notifications WHERE organization_id = $1 AND staff_id = $2 AND number BETWEEN 1 AND 20`, w.ID, ann.ID); n != 20 {
			t.Errorf("got %d of 20", n)
		}
	})

	s.rule(t, "D2 whoever follows another in another organization sees nothing", func(_ *testing.T, w *world) {
		other := s.organization(t)
		ann := w.member("member")
		give(w, ann, 1)
		other.get(other.Admin, "/v1/notifications/"+w.told(ann, "").Items[0].ID.String()).problem(404, "not_found")
	})
}

func TestNotificationSettings(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "B7 each decides whether they are mailed, where they know what they change", func(t *testing.T, w *world) {
		ann := w.member("member")
		got := w.get(ann, "/v1/notification-settings").must(200)
		if !decode[api.NotificationSettings](got).Email {
			t.Fatalf("got %s", got.Body)
		}
		put := func(email bool, headers ...header) answer {
			return w.as(ann, "PUT", "/v1/notification-settings", object{"email": email}, headers...)
		}
		put(false).problem(428, "precondition_required")
		put(false, header{"If-Match", `"0000000000000000"`}).problem(412, "precondition_failed")
		off := put(false, header{"If-Match", got.Header.Get("ETag")}).must(200)
		if decode[api.NotificationSettings](off).Email || off.Header.Get("ETag") == got.Header.Get("ETag") {
			t.Errorf("got %s", off.Body)
		}
		put(false, header{"If-Match", off.Header.Get("ETag")}).must(200)
		put(true, header{"If-Match", got.Header.Get("ETag")}).problem(412, "precondition_failed")
		if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'notification_settings_changed'
			AND before = '{"email": true}' AND after = '{"email": false}'`, w.ID, ann.ID); n != 1 {
			t.Errorf("got %d audit events of one change", n)
		}
		if !decode[api.NotificationSettings](w.get(w.Admin, "/v1/notification-settings").must(200)).Email {
			t.Error("somebody else's was changed")
		}
	})

	s.rule(t, "B7 no mail is left to send to those who have turned it off", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.as(ann, "PUT", "/v1/notification-settings", object{"email": false}, header{"If-Match", "*"}).must(200)
		run := decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(ann, bob)})).must(200))
		for m, want := range map[member]int{ann: 0, bob: 1} {
			id := w.toldOnce(m, run).ID
			if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'mail' AND args ->> 'notification_id' = $1`, id.String()); n != want {
				t.Errorf("got %d jobs, want %d", n, want)
			}
		}
	})
}
