package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"handover/internal/app"
	"handover/internal/atonce"
)

const (
	// dyingOdds is for how many mails one kills its process, and soundMails after how many first ones.
	dyingOdds  = 5
	soundMails = 8
)

// dyingMailer kills its process, as kill -9 does, while it hands one of its mails over: about when the end of the mail
// leaves, which it learns from its first ones.
type dyingMailer struct {
	app.Mailer
	may   atomic.Bool
	usual atomic.Int64 // how long handing over takes, in nanoseconds
	sent  atomic.Int64
}

// Send sends a mail, or dies.
func (d *dyingMailer) Send(ctx context.Context, mail app.Mail, handingOver func(context.Context, *atonce.Conn) error) error {
	return d.Mailer.Send(ctx, mail, func(ctx context.Context, end *atonce.Conn) error {
		began := time.Now()
		if d.may.Load() && d.sent.Load() >= soundMails && rand.IntN(dyingOdds) == 0 { //nolint:gosec // moments, not secrets
			moment := began.Add(time.Duration(float64(d.usual.Load()) * (0.5 + rand.Float64()))) //nolint:gosec // the same
			go func() {
				for time.Now().Before(moment) { // to the microsecond, as a timer is not
				}
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nobody is left to hear of it
			}()
		}
		err := handingOver(ctx, end)
		d.usual.Store(int64(time.Since(began)))
		d.sent.Add(1)
		return err
	})
}
