package app

import "time"

// Hurry has streams say that they are alive, and look whether they may be had, more often than they usually do.
func (a *App) Hurry(say, check time.Duration) { a.pace = pace{say: say, check: check} }
