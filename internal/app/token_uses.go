package app

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

const (
	// tokenUseNoted is how exactly the last use of a token is kept.
	tokenUseNoted = time.Minute
	// noteWithin bounds noting it.
	noteWithin = 10 * time.Second
	// firstUseAwaited is how long the first use of a token is waited for, so that whoever tries a new token sees that it was used.
	firstUseAwaited = 100 * time.Millisecond
)

// tokenUses notes when tokens were last used, beside the requests that use them: none waits for it, or fails with it.
type tokenUses struct {
	app   *App
	lock  sync.Mutex
	under map[uuid.UUID]bool // of which tokens a use is being noted just now
	all   sync.WaitGroup
}

func newTokenUses(a *App) *tokenUses { return &tokenUses{app: a, under: map[uuid.UUID]bool{}} }

// note notes a use of the caller's token, unless another one is being noted.
func (u *tokenUses) note(caller domain.Caller, first bool) {
	u.lock.Lock()
	if u.under[caller.TokenID] {
		u.lock.Unlock()
		return
	}
	u.under[caller.TokenID] = true
	u.all.Add(1)
	u.lock.Unlock()
	noted := make(chan struct{})
	go func() {
		defer close(noted)
		u.write(caller)
	}()
	if first {
		select {
		case <-noted:
		case <-time.After(firstUseAwaited):
		}
	}
}

func (u *tokenUses) write(caller domain.Caller) {
	defer u.all.Done()
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	err := u.app.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		return tx.MarkTokenUsed(ctx, caller.TokenID, u.app.instant())
	})
	if err != nil {
		u.app.log.WarnContext(ctx, "that a token was used could not be noted", "token_id", caller.TokenID, "error", err)
	}
	u.lock.Lock()
	defer u.lock.Unlock()
	delete(u.under, caller.TokenID)
}

// FinishNoting waits until the uses of tokens are noted that are being noted. No requests come any more, and the database is
// about to be closed.
func (a *App) FinishNoting() { a.uses.all.Wait() }
