package acceptance

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/api"
)

func TestRotatingTokens(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	made := func(w *world, body object) (api.CreatedAPIToken, string) {
		got := w.as(w.Admin, "POST", "/v1/api-tokens", body).must(201)
		return decode[api.CreatedAPIToken](got), got.Header.Get("Location")
	}

	s.rule(t, "a token that is rotated has a successor like itself, and works for the overlap", func(t *testing.T, w *world) {
		bob := w.member("member")
		old, self := made(w, object{"name": "nightly", "staff_id": bob.ID, "scopes": []string{"read", "admin"}, "expires_at": time.Now().Add(48 * time.Hour)})
		began := time.Now()
		got := w.as(w.Admin, "POST", self+"/rotate", object{"overlap_seconds": 3600}, key("rotate")).must(201)
		fresh := decode[api.CreatedAPIToken](got)
		if fresh.Name != old.Name || fresh.Staff.ID != bob.ID || len(fresh.Scopes.MustGet()) != 2 || fresh.Token == old.Token || got.Header.Get("Cache-Control") != "no-store" ||
			fresh.CreatedBy.MustGet().ID != w.Admin.ID || got.Header.Get("Location") != "/v1/api-tokens/"+fresh.ID.String() {
			t.Errorf("got %+v", fresh)
		}
		if lasts := fresh.ExpiresAt.MustGet().Sub(fresh.CreatedAt); lasts < 47*time.Hour || lasts > 49*time.Hour {
			t.Errorf("it lasts %s", lasts)
		}
		replays(t, got, w.as(w.Admin, "POST", self+"/rotate", object{"overlap_seconds": 3600}, key("rotate")))
		for _, token := range []string{old.Token, fresh.Token} {
			if me := decode[api.Me](w.get(member{Token: token}, "/v1/me").must(200)); me.Staff.ID != bob.ID {
				t.Errorf("it acts for %s", me.Staff.ID)
			}
		}
		read := w.get(w.Admin, self).must(200)
		replaced := decode[api.APIToken](read)
		if replaced.ReplacedBy.MustGet() != fresh.ID || !replaced.RevokedAt.IsNull() {
			t.Errorf("got %+v", replaced)
		}
		if ends := replaced.ExpiresAt.MustGet().Sub(began); ends < 59*time.Minute || ends > 61*time.Minute {
			t.Errorf("it ends after %s", ends)
		}
		if created := w.get(w.Admin, got.Header.Get("Location")).must(200); created.Header.Get("ETag") != got.Header.Get("ETag") {
			t.Error("the new one is read with another ETag")
		}
		if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND action IN ('api_token_created', 'api_token_rotated') AND subject_id = ANY ($2::uuid[])`,
			w.ID, pq.Array([]string{old.ID.String(), fresh.ID.String()})); n != 3 {
			t.Errorf("the trail has %d rows", n)
		}
		// The successor takes its turn.
		w.as(w.Admin, "POST", got.Header.Get("Location")+"/rotate", nil).must(201)
	})

	s.rule(t, "the overlap is a day unless another is said, never longer than the token, and may be none", func(t *testing.T, w *world) {
		_, self := made(w, object{"name": "nightly"})
		fresh := decode[api.CreatedAPIToken](w.as(w.Admin, "POST", self+"/rotate", nil).must(201))
		if !fresh.ExpiresAt.IsNull() {
			t.Errorf("got %+v", fresh)
		}
		if left := time.Until(decode[api.APIToken](w.get(w.Admin, self).must(200)).ExpiresAt.MustGet()); left < 23*time.Hour || left > 25*time.Hour {
			t.Errorf("it ends after %s", left)
		}
		expires := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
		_, self = made(w, object{"name": "short", "expires_at": expires})
		wanted := time.Now().Add(1000 * time.Hour).UTC().Truncate(time.Millisecond)
		fresh = decode[api.CreatedAPIToken](w.as(w.Admin, "POST", self+"/rotate", object{"expires_at": wanted, "overlap_seconds": 604800}).must(201))
		if got := decode[api.APIToken](w.get(w.Admin, self).must(200)).ExpiresAt.MustGet(); !got.Equal(expires) || !fresh.ExpiresAt.MustGet().Equal(wanted) {
			t.Errorf("the old one ends at %s, the new one at %s", got, fresh.ExpiresAt.MustGet())
		}
		last := time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC) // how some say never
		_, self = made(w, object{"name": "for ever", "expires_at": last})
		rotated := w.as(w.Admin, "POST", self+"/rotate", nil).must(201)
		if got := decode[api.CreatedAPIToken](rotated).ExpiresAt.MustGet(); !got.Equal(last) {
			t.Errorf("what was made to last until %s lasts until %s", last, got)
		}
		if read := w.get(w.Admin, rotated.Header.Get("Location")).must(200); read.Header.Get("ETag") != rotated.Header.Get("ETag") {
			t.Error("what lasts so long is read with another ETag")
		}
		old, self := made(w, object{"name": "leaked"})
		fresh = decode[api.CreatedAPIToken](w.as(w.Admin, "POST", self+"/rotate", object{"overlap_seconds": 0}).must(201))
		w.get(member{Token: old.Token}, "/v1/me").problem(401, "unauthenticated")
		w.get(member{Token: fresh.Token}, "/v1/me").must(200)
	})

	s.rule(t, "what has ended, was rotated, or is a session is not rotated; nor is what one may not make", func(t *testing.T, w *world) {
		ann := w.activatedStaff(goodPassword, "member")
		before := w.tables()
		rotate := func(m member, id uuid.UUID, body any) answer {
			return w.as(m, "POST", "/v1/api-tokens/"+id.String()+"/rotate", body)
		}
		rotate(w.Admin, newID(), nil).problem(404, "not_found")
		rotate(s.organization(t).Admin, w.ids(`SELECT id FROM api_tokens WHERE organization_id = $1 AND staff_id = $2`, w.ID, ann.ID)[0], nil).problem(404, "not_found")
		rotate(w.Admin, newID(), object{"overlap_seconds": 604801}).problem(400, "invalid_request")
		rotate(w.Admin, newID(), object{"overlap_seconds": -1}).problem(400, "invalid_request")
		rotate(w.Admin, newID(), object{"overlap": 1}).problem(400, "unknown_field")
		w.unchanged(before)
		session := s.session(t, addressOf(ann), goodPassword).Token
		rotate(member{Token: session}, decode[api.Me](w.get(member{Token: session}, "/v1/me").must(200)).Token.MustGet().ID, nil).problem(409, "token_not_rotatable")
		for name, state := range map[string]string{"revoked": "revoked_at = now()", "expired": "expires_at = now()"} {
			id := w.tokenOf(ann)
			w.exec(`UPDATE api_tokens SET `+state+` WHERE id = $1`, id)
			if problem := rotate(w.Admin, id, nil).problem(409, "token_not_rotatable"); problem.Detail == "" {
				t.Error(name)
			}
		}
		id := w.tokenOf(ann)
		problem := rotate(w.Admin, id, object{"expires_at": time.Now().Add(-time.Second)}).problem(422, "invalid_value")
		pointsAt(t, problem, "invalid_value", "/expires_at")
		rotate(member{Token: w.scoped(ann, "admin")}, id, nil).problem(403, "permission_denied") // which has all scopes
		rotate(w.member("member", "staff"), id, nil).problem(403, "permission_denied")
		w.deactivate(ann)
		rotate(w.Admin, id, nil).problem(409, "token_not_rotatable")
	})

	s.rule(t, "of many who rotate a token at once, one does", func(t *testing.T, w *world) {
		_, self := made(w, object{"name": "nightly"})
		var rotating sync.WaitGroup
		var done atomic.Int64
		for range 10 {
			rotating.Go(func() {
				if got := w.as(w.Admin, "POST", self+"/rotate", nil); got.Status == 201 {
					done.Add(1)
				} else {
					got.problem(409, "token_not_rotatable")
				}
			})
		}
		rotating.Wait()
		if done.Load() != 1 {
			t.Errorf("%d did", done.Load())
		}
	})
}
