// Package testmail is a mail server for tests: a real one, that can be down, refuse, stall and break off at any stage.
package testmail

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Stage is a step of a conversation, in their order.
type Stage int

// The stages.
const (
	Connecting Stage = iota // the client has connected and waits for the greeting
	Greeting                // it has greeted
	Sender                  // it has named the sender
	Receiver                // it has named the receiver
	Within                  // it is in the middle of the mail
	End                     // the mail has ended, and waits for its answer
	Answered                // the mail was taken, and the client has been told
)

// Stages are all stages at which there can be trouble.
var Stages = []Stage{Connecting, Greeting, Sender, Receiver, Within, End, Answered}

// String names the stage.
func (s Stage) String() string {
	return []string{"connecting", "greeting", "naming the sender", "naming the receiver", "in the middle", "at the end", "after the answer"}[s]
}

// Trouble is what a server does instead of going on.
type Trouble struct {
	Code  int           // answers so; at stages where it can
	Drop  bool          // cuts the connection
	Stall time.Duration // does nothing for so long, and then cuts
	Keep  bool          // at the end: the mail has arrived all the same
}

// Mail is a mail that has arrived.
type Mail struct {
	From, To string
	Text     []byte
}

// Server is a mail server of one test.
type Server struct {
	Addr string

	config  Config
	lock    sync.Mutex
	server  *smtp.Server
	listens net.Listener
	mails   []Mail
	trouble func(stage Stage, to string) *Trouble
	began   int // conversations
	stop    chan struct{}
}

// Config is how a server is set up.
type Config struct {
	TLS            *tls.Config // offers STARTTLS
	TLSFromStart   bool
	User, Password string // asks for them
}

// Start starts a server that ends with the test.
func Start(t testing.TB, config Config) *Server {
	t.Helper()
	s := &Server{config: config, stop: make(chan struct{}), Addr: "127.0.0.1:0"}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(s.stop)
		s.Down()
	})
	return s
}

// Up begins to listen, at the same address each time.
func (s *Server) Up() error {
	listener, err := net.Listen("tcp", s.Addr) //nolint:noctx // nothing to wait for
	if err != nil {
		return err
	}
	s.Addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.lock.Lock()
		s.began++
		s.lock.Unlock()
		began := &session{server: s, conn: c.Conn()}
		if err := began.meet(Greeting); err != nil {
			return nil, err
		}
		if s.config.User != "" {
			return &signedSession{session: began}, nil
		}
		return began, nil
	}))
	server.Domain, server.TLSConfig, server.ErrorLog = "mail.example", s.config.TLS, silence{}
	server.AllowInsecureAuth = s.config.TLS == nil || s.config.TLSFromStart // which it cannot tell through troubled
	if s.config.TLSFromStart {
		listener = tls.NewListener(listener, s.config.TLS)
	}
	s.lock.Lock()
	s.server, s.listens = server, listener
	s.lock.Unlock()
	go func() { _ = server.Serve(&troubled{Listener: listener, server: s}) }() // ends when it is closed
	return nil
}

// Down ends listening and cuts every conversation.
func (s *Server) Down() {
	s.lock.Lock()
	server, listener := s.server, s.listens
	s.lock.Unlock()
	_ = listener.Close() // it may be down already
	_ = server.Close()
}

// Troubled sets what goes wrong from now on; nil: nothing does.
func (s *Server) Troubled(trouble func(stage Stage, to string) *Trouble) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.trouble = trouble
}

// Mails are the mails that have arrived, in their order.
func (s *Server) Mails() []Mail {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.mails)
}

// Conversations is how many have begun.
func (s *Server) Conversations() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.began
}

var errCut = errors.New("the connection was cut")

// meet makes the trouble of a stage.
func (s *Server) meet(conn net.Conn, stage Stage, to string) (kept bool, err error) {
	s.lock.Lock()
	look := s.trouble
	s.lock.Unlock()
	if look == nil {
		return true, nil
	}
	trouble := look(stage, to)
	switch {
	case trouble == nil:
		return true, nil
	case trouble.Code != 0:
		return trouble.Keep, &smtp.SMTPError{Code: trouble.Code, EnhancedCode: smtp.EnhancedCode{trouble.Code / 100, 0, 0}, Message: "so it was decided"}
	case trouble.Stall > 0:
		select {
		case <-time.After(trouble.Stall):
		case <-s.stop:
		}
	}
	_ = conn.Close() // that is the trouble
	return trouble.Keep, errCut
}

// troubled is a listener whose connections may be in trouble before a word is said.
type troubled struct {
	net.Listener
	server *Server
}

func (l *troubled) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &opened{Conn: conn, server: l.server}, nil
}

// opened meets its trouble with the first that is written, the greeting.
type opened struct {
	net.Conn
	server *Server
	once   sync.Once
}

func (o *opened) Write(data []byte) (n int, err error) {
	o.once.Do(func() { _, err = o.server.meet(o.Conn, Connecting, "") })
	if err != nil {
		return 0, err
	}
	return o.Conn.Write(data)
}

type session struct {
	server   *Server
	conn     net.Conn
	from, to string
}

func (s *session) meet(stage Stage) error {
	_, err := s.server.meet(s.conn, stage, s.to)
	return err
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.meet(Sender)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.meet(Receiver)
}

func (s *session) Data(r io.Reader) error {
	var text bytes.Buffer
	if _, err := io.CopyN(&text, r, 64); err != nil {
		return err
	}
	if err := s.meet(Within); err != nil {
		return err
	}
	if _, err := io.Copy(&text, r); err != nil {
		return err // it was broken off, and has not arrived
	}
	kept, err := s.server.meet(s.conn, End, s.to)
	if kept {
		s.server.lock.Lock()
		s.server.mails = append(s.server.mails, Mail{From: s.from, To: s.to, Text: text.Bytes()})
		s.server.lock.Unlock()
	}
	if err != nil {
		return err
	}
	if s.server.troubledAt(Answered, s.to) {
		go func() {
			time.Sleep(10 * time.Millisecond)
			_ = s.conn.Close() // that is the trouble
		}()
	}
	return nil
}

func (s *Server) troubledAt(stage Stage, to string) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.trouble != nil && s.trouble(stage, to) != nil
}

// signedSession asks for a password first.
type signedSession struct {
	*session
	signed bool
}

func (s *signedSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *signedSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.signed = user == s.server.config.User && password == s.server.config.Password; !s.signed {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *signedSession) Mail(from string, options *smtp.MailOptions) error {
	if !s.signed {
		return smtp.ErrAuthRequired
	}
	return s.session.Mail(from, options)
}

// silence takes what the library would tell: trouble is wanted here.
type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}
