package httpapi

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The memory of a policy is bounded: those who have not asked for a while are forgotten, and of too many the last share a bucket.
func TestBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	limits := newPolicy("token", Quota{Requests: 10, Window: time.Minute})
	for i := range mostBuckets + 50 {
		assert.True(t, limits.bucket(fmt.Sprint(i), now).AllowN(now, 1) || i >= mostBuckets+10)
	}
	assert.Len(t, limits.buckets, mostBuckets+1)
	assert.False(t, limits.bucket("one more", now).AllowN(now, 1), "those beyond share")
	busy := limits.bucket("7", now)
	now = now.Add(time.Minute)
	assert.True(t, busy.AllowN(now, 10))
	assert.True(t, limits.bucket("one more", now).AllowN(now, 1))
	assert.Len(t, limits.buckets, 2, "only those are kept of whose quota something is used")
	assert.Same(t, busy, limits.bucket("7", now))
}
