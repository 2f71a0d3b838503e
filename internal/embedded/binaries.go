package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// binVariable names the folder of the binaries to use, before any that are found.
const binVariable = "HANDOVER_POSTGRES_BIN"

// oldestMajor is the oldest PostgreSQL that the schema works on.
const oldestMajor = 15

// ErrNotInstalled means that this machine has no PostgreSQL that can be used. Its text tells how to get one.
var ErrNotInstalled = errors.New("no PostgreSQL was found on this machine: install it (Debian and Ubuntu: apt install postgresql; " +
	"Fedora: dnf install postgresql-server; macOS: brew install postgresql@17), " +
	"or run docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=handover postgres:17 " +
	"and set DATABASE_URL=postgres://postgres:handover@127.0.0.1:5432/postgres?sslmode=disable")

// installations are where packages put the binaries of several versions beside each other.
var installations = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // the PostgreSQL project's packages for Fedora and Red Hat
	"/usr/lib/postgresql*/bin",                           // SUSE
	"/usr/libexec/postgresql*",                           // Alpine
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/usr/local/pgsql/bin",                               // built from source
}

// binaries are the programs of one PostgreSQL version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) postgres() string { return filepath.Join(b.dir, "postgres") }
func (b binaries) initdb() string   { return filepath.Join(b.dir, "initdb") }

func (b binaries) baseBackup() string { return filepath.Join(b.dir, "pg_basebackup") }

// findBinaries finds programs that the account can run, of the major version wanted, or of any that will do where
// wanted is 0.
func findBinaries(ctx context.Context, as account, wanted int) (binaries, error) {
	dirs := candidateDirs()
	chosen := os.Getenv(binVariable)
	if chosen != "" {
		dirs = []string{chosen}
	}
	var others []string
	for _, dir := range dirs {
		found := binaries{dir: dir}
		if !isProgram(found.postgres()) || !isProgram(found.initdb()) {
			continue
		}
		version, err := run(ctx, as, "/", found.postgres(), "--version")
		if err != nil {
			continue
		}
		found.major = majorOf(version)
		if found.major >= oldestMajor && (wanted == 0 || found.major == wanted) {
			return found, nil
		}
		others = append(others, fmt.Sprintf("%d in %s", found.major, dir))
	}
	switch {
	case wanted != 0 && len(others) > 0:
		return binaries{}, fmt.Errorf("the database was made by PostgreSQL %d, which is not among those found (%s): install it again, or set DATABASE_URL",
			wanted, strings.Join(others, ", "))
	case chosen != "":
		return binaries{}, fmt.Errorf("%s=%s does not hold the programs postgres and initdb of PostgreSQL %d or newer", binVariable, chosen, oldestMajor)
	case len(others) > 0:
		return binaries{}, fmt.Errorf("only PostgreSQL %s was found, and %d or newer is needed; %w", strings.Join(others, ", "), oldestMajor, ErrNotInstalled)
	}
	return binaries{}, ErrNotInstalled
}

// candidateDirs lists folders of binaries, the best first.
func candidateDirs() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, behind(path))
	}
	for _, pattern := range installations {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		slices.SortFunc(found, func(a, b string) int { return numberIn(b) - numberIn(a) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var (
	absolutePostgres = regexp.MustCompile(`/[^\s"'=:;]*/postgres\b`)
	digits           = regexp.MustCompile(`\d+`)
)

// behind is the folder of the program that path leads to: through links, and through a shell script that names it. A
// script itself will not do: it may go on beside the server or change the user, and a signal for the server would
// not reach it.
func behind(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if text, err := os.ReadFile(path); err == nil && isScript(text) {
		for _, named := range absolutePostgres.FindAllString(string(text), -1) {
			if isProgram(named) {
				return filepath.Dir(named)
			}
		}
	}
	return filepath.Dir(path)
}

// isProgram tells whether path is an executable file other than a script.
func isProgram(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	start := make([]byte, 2)
	_, err = file.Read(start)
	return err == nil && !isScript(start)
}

func isScript(text []byte) bool { return bytes.HasPrefix(text, []byte("#!")) }

// majorOf reads "postgres (PostgreSQL) 15.14 (Debian …)"; 0 where there is no number.
func majorOf(version string) int {
	_, after, _ := strings.Cut(version, ")")
	return numberIn(after)
}

func numberIn(text string) int {
	number, err := strconv.Atoi(digits.FindString(text))
	if err != nil {
		return 0
	}
	return number
}
