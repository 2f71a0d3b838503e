package casesim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is a simulator that listens.
type Server struct {
	*Simulator
	URL    string
	server *http.Server
	served chan error
}

// Start makes a simulator and listens on an address, such as 127.0.0.1:0 for any free port of this machine.
func Start(ctx context.Context, address string, options Options) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{Simulator: New(options), URL: "http://" + listener.Addr().String(), served: make(chan error, 1)}
	s.server = &http.Server{Handler: s.Simulator, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// Wait waits until it does not serve any more.
func (s *Server) Wait() error {
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Stop ends it at once.
func (s *Server) Stop() {
	s.end()
	_ = s.server.Close() // there is nothing to lose
	s.Close()
}
