package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// noteName is the file that tells where the data are when they are not beside it.
	noteName = "database-location"

	clusterPrefix = "postgres-"
	newInfix      = ".new-" // a cluster that is being made; without its maker it is rubbish
)

// elsewhere are the folders, the best first, for data that the user of PostgreSQL cannot reach where they belong.
// Only root gets there.
var elsewhere = []string{"/var/lib/handover", "/opt/handover", "/srv/handover"}

// place is where the data of a folder are: in the folder, or elsewhere.
type place struct {
	dir  string // as the caller named it
	data string // holds one folder for each major version
}

// findPlace reads where the data of dir are, or are to be.
func findPlace(dir string) (place, error) {
	text, err := os.ReadFile(filepath.Join(dir, noteName))
	if errors.Is(err, os.ErrNotExist) {
		return place{dir: dir, data: dir}, nil
	}
	if err != nil {
		return place{}, fmt.Errorf("read where the database is: %w", err)
	}
	data, _, _ := strings.Cut(string(text), "\n")
	if !filepath.IsAbs(data) {
		return place{}, fmt.Errorf("the first line of %s should be the absolute path of the database folder: mend it, or delete the file to begin with an empty database",
			filepath.Join(dir, noteName))
	}
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		return place{}, fmt.Errorf("the database of %s was in %s, which is gone: put it back, or delete %s to begin with an empty database",
			dir, data, filepath.Join(dir, noteName))
	}
	return place{dir: dir, data: data}, nil
}

func (p place) isElsewhere() bool { return p.data != p.dir }

func (p place) notes() []string {
	if !p.isElsewhere() {
		return nil
	}
	return []string{fmt.Sprintf("The database is in %s: PostgreSQL does not work as root, and its user cannot reach %s.", p.data, p.dir)}
}

var clusterName = regexp.MustCompile(`^` + clusterPrefix + `(\d+)$`)

// clusters lists the clusters that are there, the newest version first.
func (p place) clusters() ([]*cluster, error) {
	entries, err := os.ReadDir(p.data)
	if err != nil {
		return nil, fmt.Errorf("look for the database: %w", err)
	}
	var found []*cluster
	for _, entry := range entries {
		match := clusterName.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		major, err := strconv.Atoi(match[1])
		if err != nil {
			continue
		}
		found = append(found, &cluster{folder: filepath.Join(p.data, entry.Name()), major: major})
	}
	slices.SortFunc(found, func(a, b *cluster) int { return b.major - a.major })
	return found, nil
}

// sweep deletes what an interrupted start left behind.
func (p place) sweep() {
	leftovers, err := filepath.Glob(filepath.Join(p.data, clusterPrefix+"*"+newInfix+"*"))
	if err != nil {
		return
	}
	for _, leftover := range leftovers {
		_ = os.RemoveAll(leftover) // rubbish does no harm
	}
}

// remove deletes what findPlace and moveAway made, once the clusters are gone.
func (p place) remove() error {
	p.sweep()
	if !p.isElsewhere() {
		return nil
	}
	if err := os.RemoveAll(p.data); err != nil {
		return fmt.Errorf("remove the database folder: %w", err)
	}
	if err := os.Remove(filepath.Join(p.dir, noteName)); err != nil {
		return fmt.Errorf("remove the note of the database folder: %w", err)
	}
	return nil
}

// reachableBy is p, or a new place elsewhere where the account cannot work in p.
func (p place) reachableBy(ctx context.Context, as account, programs binaries) (place, error) {
	if as.isOurs || canEnter(ctx, as, programs, p.data) {
		return p, nil
	}
	for _, parent := range elsewhere {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			continue
		}
		if canEnter(ctx, as, programs, parent) {
			return p.moveAway(parent)
		}
	}
	return place{}, fmt.Errorf("PostgreSQL does not work as root, and user %s can reach neither %s nor any of %s: start as an ordinary user, or set DATABASE_URL",
		as.name, p.dir, strings.Join(elsewhere, ", "))
}

// canEnter tries it: permission bits would not tell of access lists, mounts and the like.
func canEnter(ctx context.Context, as account, programs binaries, dir string) bool {
	_, err := run(ctx, as, dir, programs.postgres(), "--version")
	return err == nil
}

// moveAway makes a place under parent. The note comes before the data, so that data are never without a note.
func (p place) moveAway(parent string) (place, error) {
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails
	name := filepath.Base(filepath.Dir(p.dir)) + "-" + hex.EncodeToString(suffix)
	moved := place{dir: p.dir, data: filepath.Join(parent, filepath.Base(name))}
	if err := os.Mkdir(moved.data, 0o711); err != nil {
		return place{}, fmt.Errorf("make a folder for the database: %w", err)
	}
	if err := os.Chmod(moved.data, 0o711); err != nil {
		return place{}, fmt.Errorf("open the folder of the database: %w", err)
	}
	note := moved.data + "\n\nThe database of this folder is there: PostgreSQL does not work as root, and its user cannot reach this folder.\n" +
		"To begin with an empty database, delete that folder and this file.\n"
	path := filepath.Join(p.dir, noteName)
	if err := os.WriteFile(path+".new", []byte(note), 0o600); err != nil {
		return place{}, fmt.Errorf("write where the database is: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return place{}, fmt.Errorf("write where the database is: %w", err)
	}
	return moved, nil
}
