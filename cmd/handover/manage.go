package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/schema"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema to what this program expects."`
	Down   migrateDownCommand   `cmd:"" help:"Undo the last migrations. This deletes what they hold."`
	Status migrateStatusCommand `cmd:"" help:"Show where the schema stands."`
}

// onDirect runs work on the address of the database, past a pooler.
func (f databaseFlags) onDirect(ctx context.Context, work func(url string) error) (err error) {
	opened, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	return work(opened.direct)
}

type migrateUpCommand struct {
	databaseFlags
	JSON bool `name:"json" help:"Print the state as JSON."`
}

// Run brings the schema up.
func (c *migrateUpCommand) Run(ctx context.Context) error {
	return c.onDirect(ctx, func(url string) error {
		if err := schema.Up(ctx, url); err != nil {
			return err
		}
		return printState(ctx, url, c.JSON)
	})
}

type migrateDownCommand struct {
	databaseFlags
	Steps int  `help:"How many migrations to undo." default:"1"`
	All   bool `help:"Undo every one."`
	JSON  bool `name:"json" help:"Print the state as JSON."`
}

// Run undoes migrations.
func (c *migrateDownCommand) Run(ctx context.Context) error {
	if c.Steps < 1 {
		return errors.New("--steps must be at least 1; --all undoes every migration")
	}
	steps := c.Steps
	if c.All {
		steps = 0
	}
	return c.onDirect(ctx, func(url string) error {
		if err := schema.Down(ctx, url, steps); err != nil {
			return err
		}
		return printState(ctx, url, c.JSON)
	})
}

type migrateStatusCommand struct {
	databaseFlags
	JSON bool `name:"json" help:"Print the state as JSON."`
}

// Run shows where the schema stands.
func (c *migrateStatusCommand) Run(ctx context.Context) error {
	return c.onDirect(ctx, func(url string) error { return printState(ctx, url, c.JSON) })
}

func printState(ctx context.Context, url string, asJSON bool) error {
	state, err := schema.Status(ctx, url)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(state)
	}
	fmt.Printf("schema version %d of %d, job queue version %d of %d\n", state.Version, state.Latest, state.RiverVersion, state.RiverLatest)
	for _, name := range state.Pending {
		fmt.Printf("pending: %s\n", name)
	}
	return nil
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

type organizationCommand struct {
	Create organizationCreateCommand `cmd:"" help:"Make an organization with its first administrator, and a token for them."`
}

type organizationCreateCommand struct {
	databaseFlags
	Name       string `help:"What it is called." required:""`
	TimeZone   string `help:"Its IANA time zone, such as America/Toronto." required:""`
	AdminEmail string `help:"The email address of its first administrator." required:""`
	JSON       bool   `name:"json" help:"Print the ids and the token as JSON."`
}

// Run makes the organization.
func (c *organizationCreateCommand) Run(ctx context.Context, log *slog.Logger) error {
	return c.withApplication(ctx, log, func(_ *database, application *app.App) error {
		created, err := application.CreateOrganization(ctx, app.NewOrganization{Name: c.Name, TimeZone: c.TimeZone, AdminEmail: c.AdminEmail})
		if err != nil {
			return err
		}
		answer := struct {
			OrganizationID string    `json:"organization_id"`
			AdminStaffID   uuid.UUID `json:"admin_staff_id"`
			Token          string    `json:"token"`
		}{created.Organization.ID.String(), created.Administrator.ID, created.Token}
		if c.JSON {
			return printJSON(answer)
		}
		fmt.Printf("organization   %s\nadministrator  %s\ntoken          %s\n", answer.OrganizationID, answer.AdminStaffID, answer.Token)
		return nil
	})
}

type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token with all that a staff member has."`
}

// organizationFlag names the organization that a command is for.
type organizationFlag struct {
	Organization uuid.UUID `help:"The organization's id." required:"" placeholder:"ID"`
}

func (f organizationFlag) id() domain.OrganizationID { return domain.OrganizationID(f.Organization) }

type tokenCreateCommand struct {
	databaseFlags
	organizationFlag
	StaffEmail string `help:"The email address of the staff member it acts for." required:""`
	JSON       bool   `name:"json" help:"Print the token as JSON."`
}

// Run makes the token.
func (c *tokenCreateCommand) Run(ctx context.Context, log *slog.Logger) error {
	return c.withApplication(ctx, log, func(_ *database, application *app.App) error {
		token, err := application.IssueToken(ctx, c.id(), c.StaffEmail)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(map[string]string{"token": token})
		}
		fmt.Println(token)
		return nil
	})
}
