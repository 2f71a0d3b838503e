package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
)

func TestCursors(t *testing.T) {
	f := newFrame(t)
	last := uuid.MustParse("01900000-0000-7000-8000-000000010050")
	var cursor string
	f.stub.on = func(ctx context.Context, request any) error {
		var sent *string
		switch request := request.(type) {
		case api.ListTasksRequestObject:
			sent = request.Params.Cursor
		case api.ListStaffRequestObject:
			sent = request.Params.Cursor
		}
		after, err := afterOf(ctx, sent)
		if sent != nil && err == nil {
			assert.Equal(t, last, after)
		}
		if sent == nil {
			assert.Equal(t, uuid.Nil, after)
			cursor = cursorTo(ctx, last, true).MustGet()
		}
		return err
	}
	code := func(path string, headers ...header) string {
		t.Helper()
		got := f.get(path, headers...)
		if got.StatusCode == http.StatusOK {
			return ""
		}
		return got.problem(t).Code
	}
	require.Empty(t, code("/v1/tasks?status=open&q=a,b&limit=2"))

	t.Run("a cursor continues its list, with another limit and in another order of parameters", func(t *testing.T) {
		assert.Empty(t, code("/v1/tasks?status=open&q=a,b&limit=2&cursor="+cursor))
		assert.Empty(t, code("/v1/tasks?cursor="+cursor+"&q=a%2Cb&include_total=true&status=open&limit=200"))
	})
	t.Run("it belongs to its filter, its operation and its organization", func(t *testing.T) {
		for _, path := range []string{"/v1/tasks?status=open", "/v1/tasks?status=open,completed&q=a,b", "/v1/tasks?q=a,b", "/v1/staff?q=a,b", "/v1/tasks?status=open&q=a,b&active=true"} {
			assert.Equal(t, "invalid_cursor", code(path+"&cursor="+cursor), path)
		}
		assert.Equal(t, "invalid_cursor", code("/v1/tasks?status=open&q=a,b&cursor="+cursor, header{"Authorization": "Bearer " + otherToken}))
	})
	t.Run("one that was changed in any bit is none", func(t *testing.T) {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		require.NoError(t, err)
		for i := range text {
			mangled := append([]byte{}, text...)
			mangled[i] ^= 1
			assert.Equal(t, "invalid_cursor", code("/v1/tasks?status=open&q=a,b&cursor="+base64.RawURLEncoding.EncodeToString(mangled)))
		}
		for _, mangled := range []string{cursor[:20], cursor + "A", cursor + "=", "x", "%F0%9F%98%80", cursor[1:]} {
			assert.Equal(t, "invalid_cursor", code("/v1/tasks?status=open&q=a,b&cursor="+mangled), mangled)
		}
	})
	t.Run("lists of values are not taken for each other", func(t *testing.T) {
		require.Empty(t, code("/v1/tasks?external_id=a%2Cb"))
		assert.Equal(t, "invalid_cursor", code("/v1/tasks?external_id=a,b&cursor="+cursor))
		assert.Empty(t, code("/v1/tasks?external_id=a%2Cb&cursor="+cursor))
	})
}

func TestPositions(t *testing.T) {
	seal := newCursorSeal(nil)
	ctx := withExchange(t.Context(), &exchange{path: "/v1/runs/x/items", caller: callers[goodToken], cursors: seal})
	t.Run("a position comes back as it was", func(t *testing.T) {
		for _, position := range []int{1, 50, 100_000} {
			cursor := cursorToPosition(ctx, position, true).MustGet()
			back, err := positionOf(ctx, &cursor)
			require.NoError(t, err)
			assert.Equal(t, position, back)
		}
	})
	t.Run("the last page has none", func(t *testing.T) {
		assert.True(t, cursorToPosition(ctx, 7, false).IsNull())
		assert.True(t, cursorTo(ctx, uuid.Nil, false).IsNull())
	})
	t.Run("the first page begins at the start", func(t *testing.T) {
		position, err := positionOf(ctx, nil)
		require.NoError(t, err)
		assert.Zero(t, position)
	})
	t.Run("an id is no position, and another run's cursor none of this", func(t *testing.T) {
		id := cursorTo(ctx, uuid.MustParse(anID), true).MustGet()
		_, err := positionOf(ctx, &id)
		require.Error(t, err)
		elsewhere := withExchange(t.Context(), &exchange{path: "/v1/runs/y/items", caller: callers[goodToken], cursors: seal})
		cursor := cursorToPosition(elsewhere, 3, true).MustGet()
		_, err = positionOf(ctx, &cursor)
		require.Error(t, err)
	})
	t.Run("a cursor tells nothing of its position, and is the same when the page is read again", func(t *testing.T) {
		const few = 300
		seen := map[string]int{}
		for position := range few {
			cursor := cursorToPosition(ctx, position, true).MustGet()
			assert.Equal(t, cursor, cursorToPosition(ctx, position, true).MustGet())
			text, err := base64.RawURLEncoding.DecodeString(cursor)
			require.NoError(t, err)
			for at := 1; at < len(text)-1; at++ {
				seen[string(text[at:at+2])+"@"+strconv.Itoa(at)]++
			}
		}
		for place, count := range seen {
			assert.Less(t, count, few/10, "two bytes at one place are the same for %d of %d positions: %q", count, few, place)
		}
	})
	t.Run("processes with one key take each other's cursors, others do not", func(t *testing.T) {
		key := bytes.Repeat([]byte{7}, cursorKeyLength)
		of := func(seal *cursorSeal) context.Context {
			return withExchange(t.Context(), &exchange{path: "/v1/runs/x/items", caller: callers[goodToken], cursors: seal})
		}
		cursor := cursorToPosition(of(newCursorSeal(key)), 12, true).MustGet()
		position, err := positionOf(of(newCursorSeal(key)), &cursor)
		require.NoError(t, err)
		assert.Equal(t, 12, position)
		_, err = positionOf(ctx, &cursor)
		require.Error(t, err)
	})
}
