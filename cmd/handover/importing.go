package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"handover/internal/app"
	"handover/internal/caseload"
)

type importCommand struct {
	databaseFlags
	organizationFlag
	Dir  string `arg:"" help:"The folder with staff.csv, people.csv, assignments.csv, tasks.csv, matters.csv, calendar_events.csv, or some of them." type:"existingdir"`
	JSON bool   `name:"json" help:"Print what was loaded, or which rows were bad, as JSON."`
}

// Run loads the files, all of them or nothing.
func (c *importCommand) Run(ctx context.Context, log *slog.Logger) error {
	return c.withApplication(ctx, log, func(opened *database, _ *app.App) error {
		bar := &importBar{shown: !c.JSON && term.IsTerminal(int(os.Stderr.Fd()))}
		result, err := caseload.Import(ctx, opened.db, c.id(), os.DirFS(c.Dir), caseload.Options{Progress: bar.show})
		bar.end()
		var bad *caseload.BadRows
		if errors.As(err, &bad) && c.JSON {
			return errors.Join(printJSON(bad), errNothingLoaded)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(result)
		}
		fmt.Print(result)
		return nil
	})
}

var errNothingLoaded = errors.New("some rows are bad; nothing was loaded")

// importBar draws how far an import is, where somebody looks on.
type importBar struct {
	shown bool
	doing string
	bar   *progressbar.ProgressBar
}

func (b *importBar) show(progress caseload.Progress) {
	if !b.shown {
		return
	}
	if b.bar == nil || b.doing != progress.Doing {
		b.end()
		total := progress.Total
		if total == 0 {
			total = -1 // a spinner
		}
		b.doing = progress.Doing
		b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(progress.Doing),
			progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	_ = b.bar.Set64(progress.Done) // what cannot be drawn is not drawn
}

func (b *importBar) end() {
	if b.bar != nil {
		_ = b.bar.Finish() // likewise
		b.bar = nil
	}
}
