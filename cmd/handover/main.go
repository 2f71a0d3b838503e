// Command handover is the service that moves responsibility between people: the API, its background worker, and the
// tools of whoever runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"handover/internal/domain"
	"handover/internal/telemetry"
)

// commandLine is all that can be typed.
type commandLine struct {
	LogLevel slog.Level `help:"The least severe log lines that are written: DEBUG, INFO, WARN or ERROR." env:"HANDOVER_LOG_LEVEL" default:"INFO"`

	Version kong.VersionFlag `help:"Print the version."`

	Serve        serveCommand        `cmd:"" help:"Run the API and the background worker."`
	Worker       workerCommand       `cmd:"" help:"Run the background worker alone; any number can run."`
	Migrate      migrateCommand      `cmd:"" help:"Bring the database schema up or down, or show where it stands."`
	Organization organizationCommand `cmd:"" help:"Make organizations."`
	Token        tokenCommand        `cmd:"" help:"Make API tokens."`
	Import       importCommand       `cmd:"" help:"Load staff, people, assignments, tasks, matters and events from CSV files."`
	Audit        auditCommand        `cmd:"" help:"Verify the audit trail."`
}

// memoryGoal is the size of the process beyond which the garbage collector works harder. GOMEMLIMIT overrides it.
const memoryGoal = 240 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	if os.Getenv("PGSSLMODE") == "" {
		_ = os.Setenv("PGSSLMODE", "prefer") // as psql does, where the address of the database does not say
	}
	os.Exit(run(untilSignalled(), os.Args[1:]))
}

// The exit codes: 1 for what failed, 2 for what was typed wrong.
func run(ctx context.Context, args []string) int {
	var line commandLine
	parser := kong.Must(&line, kong.Name("handover"), kong.UsageOnError(), kong.Vars{"version": version()},
		kong.Description("Moves responsibility between people: one or a hundred thousand, in one change that can be previewed, reported and repeated safely."))
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "handover: %v\n", err)
		return 2
	}
	log := newLog(line.LogLevel)
	slog.SetDefault(log)
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(log); err != nil {
		fmt.Fprintf(os.Stderr, "handover: %s\n", explain(err))
		return 1
	}
	return 0
}

// version is that of the module, and the commit where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "handover (unknown version)"
	}
	text := "handover " + info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			text += " " + setting.Value
		}
	}
	return text + " " + info.GoVersion
}

// newLog writes to standard error: JSON for machines, plain lines for a person at a terminal.
func newLog(level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(telemetry.LogHandler(slog.NewTextHandler(os.Stderr, options)))
	}
	return slog.New(telemetry.LogHandler(slog.NewJSONHandler(os.Stderr, options)))
}

// explain says what went wrong to who typed the command.
func explain(err error) string {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Detail
	}
	return err.Error()
}
