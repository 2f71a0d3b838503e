package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
func openCluster(ctx context.Context, dir string, settings map[string]string) (*cluster, []string, error) {
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
	made, err := createCluster(ctx, place, as, programs, settings["fsync"] != "off")
	if err != nil {
		return nil, nil, err
	}
	place.sweep() // only now: the initdb of a killed start goes on for a moment
	return made, place.notes(), nil
}

// createCluster makes a cluster under another name and renames it when it is whole, so that whatever bears the name of
// a cluster is one.
func createCluster(ctx context.Context, in place, as account, programs binaries, sync bool) (*cluster, error) {
	final := filepath.Join(in.data, fmt.Sprintf("%s%d", clusterPrefix, programs.major))
	folder, err := os.MkdirTemp(in.data, filepath.Base(final)+newInfix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the database: %w", err)
	}
	made := &cluster{folder: folder, major: programs.major, as: as, programs: programs}
	if err := made.fill(ctx, sync); err != nil {
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
	if err := os.WriteFile(c.password(), []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password of the database: %w", err)
	}
	for _, path := range []string{c.folder, c.password()} {
		if err := c.as.give(path); err != nil {
			return err
		}
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
