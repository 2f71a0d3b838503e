package scaled

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

// Service is how the processes of the service are started: all alike.
type Service struct {
	Binary      string // of the command handover
	Folder      string // where each has a folder of its own
	Environment []string
}

// Environment is what every process of a service needs to know.
type Environment struct {
	Pooler *Pooler
	Direct string // the URL of the primary past the pooler
}

// Variables are the environment of the processes, with a key of their own.
func (e Environment) Variables() []string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	variables := []string{
		"DATABASE_URL=" + e.Pooler.URL, "HANDOVER_DATABASE_POOLED=true", "HANDOVER_DIRECT_DATABASE_URL=" + e.Direct,
		"HANDOVER_NO_MIGRATE=true", "HANDOVER_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key), "HANDOVER_DRAIN_DELAY=1500ms",
	}
	if e.Pooler.Replica != "" {
		variables = append(variables, "HANDOVER_REPLICA_DATABASE_URL="+e.Pooler.Replica)
	}
	return variables
}

// Address is one of the loopback interface that nobody uses now, for an API that keeps it through its restarts.
func Address() (string, error) {
	port, err := freePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// Command runs a command of the service to its end.
func (s *Service) Command(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, s.Binary, arguments...)
	command.Dir, command.Env = s.Folder, append(command.Environ(), s.Environment...)
	output, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("handover %s: %w: %s", strings.Join(arguments, " "), err, failed.Stderr)
	}
	return string(output), err
}

// API starts an API without a worker, and returns when it takes requests.
func (s *Service) API(ctx context.Context, name, address string) (*Process, error) {
	process, err := s.start(name, "serve", "--no-worker", "--addr="+address)
	if err != nil {
		return nil, err
	}
	err = process.await(ctx, isReady("http://"+address+"/readyz"))
	return process, err
}

// Worker starts a worker. It works as soon as it can.
func (s *Service) Worker(name string) (*Process, error) { return s.start(name, "worker") }

func (s *Service) start(name string, arguments ...string) (*Process, error) {
	folder, err := Folder(s.Folder, name)
	if err != nil {
		return nil, err
	}
	return start(folder, name, s.Environment, s.Binary, arguments...)
}
