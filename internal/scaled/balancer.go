package scaled

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"handover/deploy"
)

// Balancer is an nginx in front of APIs, as deploy/nginx.conf has it.
type Balancer struct {
	*Process
	URL string
}

// StartBalancer starts an nginx in front of the two APIs at these addresses.
func StartBalancer(ctx context.Context, folder string, apis [2]string) (*Balancer, error) {
	program, err := find("nginx")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err = Folder(folder, "nginx")
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	text := strings.NewReplacer(
		"listen 8080;", "listen "+address+";", "api-1:8080", apis[0], "api-2:8080", apis[1],
		"/tmp/nginx", filepath.Join(folder, "nginx"), "worker_processes auto;", "worker_processes 2;\ndaemon off;",
	).Replace(deploy.Nginx)
	path := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	process, err := start(folder, "nginx", nil, program, "-c", path, "-p", folder)
	if err != nil {
		return nil, err
	}
	err = process.await(ctx, answers(address))
	return &Balancer{process, "http://" + address}, err
}
