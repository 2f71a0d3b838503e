package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// cluster is the data of one PostgreSQL with what belongs to it: a folder named by the major version, owned by the
// user that PostgreSQL works as, which holds data, password and log.
type cluster struct {
	folder   string
	major    int
	as       account
	programs binaries
}

func (c *cluster) data() string     { return filepath.Join(c.folder, "data") }
func (c *cluster) password() string { return filepath.Join(c.folder, "password") }
func (c *cluster) log() string      { return filepath.Join(c.folder, "server.log") }

// openCluster finds the cluster of dir, or makes one.
func openCluster(ctx context.Context, dir string, options Options) (*cluster, []string, error) {
	place, err := findPlace(dir)
	if err != nil {
		return nil, nil, err
	}
	clusters, err := place.clusters()
	if err != nil {
		return nil, nil, err
	}
	var existing *cluster
	wanted := 0
	if len(clusters) > 0 {
		existing, wanted = clusters[0], clusters[0].major
	}
	as, err := chooseAccount(existing)
	if err != nil {
		return nil, nil, err
	}
	programs, err := findBinaries(ctx, as, wanted)
	if err != nil {
		return nil, nil, err
	}
	if existing != nil {
		existing.as, existing.programs = as, programs
		return existing, place.notes(), nil
	}
	if place, err = place.reachableBy(ctx, as, programs); err != nil {
		return nil, nil, err
	}
	made, err := createCluster(ctx, place, as, programs, options)
	if err != nil {
		return nil, nil, err
	}
	place.sweep() // only now: the initdb of a killed start goes on for a moment
	return made, place.notes(), nil
}

// createCluster makes a cluster under another name and renames it when it is whole, so that whatever bears the name of
// a cluster is one.
func createCluster(ctx context.Context, in place, as account, programs binaries, options Options) (*cluster, error) {
	final := filepath.Join(in.data, fmt.Sprintf("%s%d", clusterPrefix, programs.major))
	folder, err := os.MkdirTemp(in.data, filepath.Base(final)+newInfix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the database: %w", err)
	}
	made := &cluster{folder: folder, major: programs.major, as: as, programs: programs}
	fill := made.fill
	if options.Follow != "" {
		fill = made.copyFrom(options.Follow)
	}
	if err := fill(ctx, options.Settings["fsync"] != "off"); err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	if err := os.Rename(folder, final); err != nil {
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("name the folder of the new database: %w", err)
	}
	made.folder = final
	return made, nil
}

func (c *cluster) fill(ctx context.Context, sync bool) error {
	if err := c.keepPassword(rand.Text() + rand.Text()); err != nil {
		return err
	}
	var failure error
	for _, locale := range locales(c.programs.major) {
		arguments := append([]string{
			"--pgdata=" + c.data(), "--username=" + userName, "--pwfile=" + c.password(), "--auth=scram-sha-256",
			"--encoding=UTF8", "--lc-messages=C",
		}, locale...)
		if !sync {
			arguments = append(arguments, "--no-sync")
		}
		output, err := run(ctx, c.as, c.folder, c.programs.initdb(), arguments...)
		if err == nil {
			return nil
		}
		failure = fmt.Errorf("make the database with initdb: %w: %s", err, lastLines(output))
		if !strings.Contains(output, "locale") {
			break
		}
		if err := os.RemoveAll(c.data()); err != nil {
			return errors.Join(failure, err)
		}
	}
	return failure
}

func (c *cluster) keepPassword(password string) error {
	if err := os.WriteFile(c.password(), []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password of the database: %w", err)
	}
	for _, path := range []string{c.folder, c.password()} {
		if err := c.as.give(path); err != nil {
			return err
		}
	}
	return nil
}

// copyFrom fills the cluster with a copy of another server, which it follows from then on. It has that one's password.
func (c *cluster) copyFrom(address string) func(context.Context, bool) error {
	return func(ctx context.Context, sync bool) error {
		primary, err := url.Parse(address)
		if err != nil {
			return errors.New("copy the database: the address to follow is no URL") // the error would repeat the password
		}
		password, _ := primary.User.Password()
		if err := c.keepPassword(password); err != nil {
			return err
		}
		// In the folder rather than among the arguments, which other users of the machine can see.
		passFile := filepath.Join(c.folder, "passfile")
		if err := os.WriteFile(passFile, []byte("*:*:*:*:"+password+"\n"), 0o600); err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		defer func() { _ = os.Remove(passFile) }()
		if err := c.as.give(passFile); err != nil {
			return err
		}
		arguments := []string{
			"--pgdata=" + c.data(), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-password",
			fmt.Sprintf("--dbname=host=%s port=%s user=%s sslmode=disable passfile=%s", primary.Hostname(), primary.Port(), userName, passFile),
		}
		if !sync {
			arguments = append(arguments, "--no-sync")
		}
		if output, err := run(ctx, c.as, c.folder, c.programs.baseBackup(), arguments...); err != nil {
			return fmt.Errorf("copy the database with pg_basebackup: %w: %s", err, lastLines(output))
		}
		// pg_basebackup has written how to connect, with the place of the password; it goes to where the folder will be.
		return c.followWith(fmt.Sprintf("host=%s port=%s user=%s password=%s sslmode=disable application_name=replica",
			primary.Hostname(), primary.Port(), userName, password))
	}
}

// followWith writes how the cluster connects to the server that it follows.
func (c *cluster) followWith(connection string) error {
	path := filepath.Join(c.data(), "postgresql.auto.conf")
	settings, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write how the database is followed: %w", err)
	}
	_, err = fmt.Fprintf(settings, "primary_conninfo = '%s'\n", connection)
	if err = errors.Join(err, settings.Close()); err != nil {
		return fmt.Errorf("write how the database is followed: %w", err)
	}
	return nil
}

// locales lists ways to have Unicode's upper and lower case with an order by code point, the best first. Not every
// system has each.
func locales(major int) [][]string {
	found := [][]string{{"--locale=C.UTF-8"}, {"--locale=en_US.UTF-8"}, {"--locale=C"}}
	if major >= 17 {
		builtin := []string{"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}
		return append([][]string{builtin}, found...)
	}
	return found
}

func (c *cluster) readPassword() (string, error) {
	text, err := os.ReadFile(c.password())
	if err != nil {
		return "", fmt.Errorf("read the password of the database: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// lastLines is the end of what a program wrote, on one line: the part that tells what went wrong.
func lastLines(output string) string {
	const kept = 5
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-kept):], " | ")
}
