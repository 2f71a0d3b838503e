// Package deploy ends the real program under load, and lets two versions of it work on one database: deploys that nobody notices.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"handover/internal/testdb"
)

// root is the source tree.
var root = filepath.Join("..", "..")

// folder is where what is built lies.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "handover-deploy"); err != nil {
		panic(err)
	}
	testdb.Main(m, func() { _ = os.RemoveAll(folder) }) // a temporary one
}

// newest is the program as it is here.
var newest = sync.OnceValues(func() (string, error) {
	return built("newest", root)
})

// built builds the program of a source tree.
func built(name, root string) (string, error) {
	binary := filepath.Join(folder, name)
	command := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "./cmd/handover")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, output)
	}
	return binary, nil
}

// errNoHistory tells that the versions before are not there, as in a shallow clone or outside of one.
var errNoHistory = errors.New("the history of this repository is not there")

// previousCommit is the last commit with an earlier schema: some of the newest migrations were not there yet, and all that were are
// still the first of those there are.
func previousCommit() (commit string, err error) {
	now, err := filepath.Glob(filepath.Join(root, "migrations", "*.up.sql"))
	if err != nil {
		return "", err
	}
	for i, file := range now {
		now[i] = filepath.Base(file)
	}
	changes, err := git("log", "--format=%H", "--", "migrations")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoHistory, err)
	}
	candidates := []string{"HEAD"}
	for _, change := range strings.Fields(changes) {
		candidates = append(candidates, change+"^")
	}
	for _, candidate := range candidates {
		files, err := git("ls-tree", "--full-tree", "--name-only", candidate, "migrations/")
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNoHistory, err)
		}
		var then []string
		for _, file := range strings.Fields(files) {
			if strings.HasSuffix(file, ".up.sql") {
				then = append(then, path.Base(file))
			}
		}
		if len(then) > 0 && len(then) < len(now) && slices.Equal(then, now[:len(then)]) {
			return candidate, nil
		}
	}
	return "", errNoHistory
}

// previous is the program as it was before the newest migrations.
var previous = sync.OnceValues(func() (string, error) {
	commit, err := previousCommit()
	if err != nil {
		return "", err
	}
	source := filepath.Join(folder, "source")
	archive := source + ".tar"
	if _, err := git("archive", "--format=tar", "--output="+archive, commit); err != nil {
		return "", err
	}
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	if output, err := exec.CommandContext(context.Background(), "tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", commit, err, output)
	}
	return built("previous", source)
})

func git(args ...string) (string, error) {
	command := exec.CommandContext(context.Background(), "git", args...)
	command.Dir = root
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(output)), err
}
