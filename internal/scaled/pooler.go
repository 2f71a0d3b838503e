package scaled

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"handover/deploy"
)

// Pooler is a PgBouncer in transaction mode, as deploy/pgbouncer.ini has it.
type Pooler struct {
	*Process
	URL     string // of the primary's database
	Replica string // of the replica's; empty where there is none
}

// StartPooler starts a PgBouncer in front of a primary and, where its URL is not empty, of a replica.
func StartPooler(ctx context.Context, folder, primary, replica string) (*Pooler, error) {
	program, err := find("pgbouncer")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err = Folder(folder, "pgbouncer")
	if err != nil {
		return nil, err
	}
	configuration, err := poolerConfiguration(folder, primary, replica, port)
	if err != nil {
		return nil, err
	}
	arguments := []string{configuration}
	if os.Geteuid() == 0 {
		if arguments, err = asNobody(folder, arguments); err != nil {
			return nil, err
		}
	}
	process, err := start(folder, "pgbouncer", nil, program, arguments...)
	if err != nil {
		return nil, err
	}
	if err := process.await(ctx, answers(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))); err != nil {
		return nil, err
	}
	pooler := &Pooler{Process: process}
	if pooler.URL, err = through(primary, port, "handover"); err != nil {
		return nil, err
	}
	if replica != "" {
		pooler.Replica, err = through(primary, port, "handover_replica")
	}
	return pooler, err
}

// poolerConfiguration writes the files of a PgBouncer and gives the path of the first.
func poolerConfiguration(folder, primary, replica string, port int) (string, error) {
	at, err := url.Parse(primary)
	if err != nil {
		return "", errors.New("read the URL of the database: it is none") // the error would repeat the password
	}
	password, _ := at.User.Password()
	users := filepath.Join(folder, "userlist.txt")
	text := with(deploy.PgBouncer, "handover", fmt.Sprintf("host=%s port=%s dbname=%s", at.Hostname(), at.Port(), at.Path[1:]))
	text = with(with(with(text, "listen_addr", "127.0.0.1"), "listen_port", strconv.Itoa(port)), "auth_file", users)
	if replica != "" {
		other, err := url.Parse(replica)
		if err != nil {
			return "", errors.New("read the URL of the replica: it is none")
		}
		text = with(text, "handover_replica", fmt.Sprintf("host=%s port=%s dbname=%s", other.Hostname(), other.Port(), other.Path[1:]))
	}
	path := filepath.Join(folder, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("configure PgBouncer: %w", err)
	}
	if err := os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", at.User.Username(), password), 0o600); err != nil {
		return "", fmt.Errorf("configure PgBouncer: %w", err)
	}
	return path, nil
}

// with sets a key of an .ini file.
func with(text, key, value string) string {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + ` =.*$`)
	return line.ReplaceAllLiteralString(text, key+" = "+value)
}

// asNobody gives the files of a folder to an account that has no rights: PgBouncer refuses to run as root.
func asNobody(folder string, arguments []string) ([]string, error) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find an account for PgBouncer: %w", err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return nil, fmt.Errorf("find an account for PgBouncer: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("configure PgBouncer: %w", err)
	}
	for _, entry := range entries {
		if err := os.Chown(filepath.Join(folder, entry.Name()), uid, -1); err != nil {
			return nil, fmt.Errorf("configure PgBouncer: %w", err)
		}
	}
	return append([]string{"-u", nobody.Username}, arguments...), nil
}

// Reload has PgBouncer read its files again.
func (p *Pooler) Reload() { p.Signal(syscall.SIGHUP) }
