package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/app"
	"handover/internal/atonce"
	"handover/internal/telemetry"
)

// smtpMailer hands mails to a mail server, each in a conversation of its own.
type smtpMailer struct {
	composer *composer
	server   *server
	roots    *x509.CertPool // nil: those of the machine
}

// quitPatience is how long taking leave may take: the mail is there already.
const quitPatience = 2 * time.Second

// answerFactor is how much longer than for another step the answer to a whole mail is waited for.
const answerFactor = 4

// Send hands one mail over. Everything but the end of the mail is sent first, so that whatever goes wrong until then is
// known to have delivered nothing. The end leaves with the record that it does.
func (s *smtpMailer) Send(ctx context.Context, mail app.Mail, handingOver func(context.Context, *atonce.Conn) error) (err error) {
	ctx, span := telemetry.Start(ctx, "SMTP send", trace.WithSpanKind(trace.SpanKindClient))
	defer func() { telemetry.End(span, err) }()
	span.SetAttributes(attribute.String("server.address", s.server.host), attribute.String("network.protocol.name", "smtp"))
	written, err := s.composer.compose(mail)
	if err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.offer(written); err != nil {
		return err
	}
	if err := c.listen(); err != nil {
		return err
	}
	if err := c.prepareEnd(); err != nil {
		return err
	}
	if err := handingOver(ctx, c.connection); err != nil && !c.connection.Left() {
		return fmt.Errorf("the mail was not handed over: %w", err)
	}
	return c.finish()
}

// conversation is one connection to a mail server.
type conversation struct {
	*smtp.Client
	connection *atonce.Conn
	timeout    time.Duration
	release    func() bool    // lets go of the context; false: it has ended
	body       io.WriteCloser // of the mail; closing it ends the mail
}

func (s *smtpMailer) connect(ctx context.Context) (_ *conversation, err error) {
	dialer := net.Dialer{Timeout: s.server.timeout}
	dialed, err := dialer.DialContext(ctx, "tcp", s.server.address())
	if err != nil {
		return nil, fmt.Errorf("connect to the mail server: %w", err)
	}
	c := &conversation{connection: atonce.New(dialed), timeout: s.server.timeout}
	c.release = context.AfterFunc(ctx, func() { _ = dialed.Close() }) // breaks off whatever it is at
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	c.step()
	settings := &tls.Config{ServerName: s.server.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	var connection net.Conn = c.connection
	if s.server.policy == tlsFromTheStart {
		encrypted := tls.Client(connection, settings)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("speak TLS to the mail server: %w", err)
		}
		connection = encrypted
	}
	if c.Client, err = smtp.NewClient(connection, s.server.host); err != nil {
		return nil, fmt.Errorf("be greeted by the mail server: %w", err)
	}
	c.step()
	if err := c.Hello(localName()); err != nil {
		return nil, fmt.Errorf("greet the mail server: %w", err)
	}
	if err := c.encrypt(s.server.policy, settings); err != nil {
		return nil, err
	}
	if err := c.signIn(s.server); err != nil {
		return nil, err
	}
	return c, nil
}

func localName() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsAny(name, " \r\n") {
		return "localhost"
	}
	return name
}

// step gives the next step of the conversation its time.
func (c *conversation) step() { c.until(c.timeout) }

func (c *conversation) until(patience time.Duration) {
	_ = c.connection.SetDeadline(time.Now().Add(patience)) // a connection that is gone tells so at the next step
}

func (c *conversation) close() {
	c.release()
	_ = c.connection.Close() // nothing is expected of it any more
}

func (c *conversation) encrypt(policy tlsPolicy, settings *tls.Config) error {
	offered, _ := c.Extension("STARTTLS")
	switch policy {
	case tlsFromTheStart, tlsNever:
		return nil
	case tlsOptional:
		if !offered {
			return nil
		}
	case tlsRequired:
		if !offered {
			return errors.New("the mail server does not offer STARTTLS, which HANDOVER_SMTP_URL requires (starttls=optional and starttls=never do not)")
		}
	}
	c.step()
	if err := c.StartTLS(settings); err != nil {
		return fmt.Errorf("encrypt the conversation with the mail server: %w", err)
	}
	return nil
}

// signIn takes the best that the server offers. A password is sent in the clear only where encryption was ruled out by
// the configuration.
func (c *conversation) signIn(s *server) error {
	if s.user == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	open := s.policy == tlsNever
	var by smtp.Auth
	for _, mechanism := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(s.user, s.password)},
		{"PLAIN", smtp.PlainAuth("", s.user, s.password, s.host, open)},
		{"LOGIN", smtp.LoginAuth(s.user, s.password, s.host, open)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(s.user, s.password)},
	} {
		if by == nil && containsWord(offered, mechanism.name) {
			by = mechanism.auth
		}
	}
	if by == nil {
		return errors.New("the mail server offers no way to sign in that is known here")
	}
	c.step()
	if err := c.Auth(by); err != nil {
		return fmt.Errorf("sign in to the mail server: %w", err)
	}
	return nil
}

func containsWord(text, word string) bool {
	for _, each := range strings.Fields(text) {
		if strings.EqualFold(each, word) {
			return true
		}
	}
	return false
}

// offer says whom the mail is for, and sends all of it but its end.
func (c *conversation) offer(m *message) error {
	c.SkipSMTPUTF8(isASCII(m.from) && isASCII(m.to)) // asked of the server only where it is needed
	c.step()
	if err := c.Mail("<" + m.from + ">"); err != nil {
		return fmt.Errorf("name the sender to the mail server: %w", err)
	}
	c.step()
	if err := c.Rcpt("<" + m.to + ">"); err != nil {
		return refused("name the receiver to the mail server", err)
	}
	// Past Client, whose closing hides whether the end went out.
	c.step()
	if err := c.Text.PrintfLine("DATA"); err != nil {
		return fmt.Errorf("begin the mail: %w", err)
	}
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		return refused("begin the mail", err)
	}
	c.body = c.Text.DotWriter()
	c.step()
	if _, err := c.body.Write(m.text); err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	if err := c.Text.W.Flush(); err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	return nil
}

// hesitation is how long the server is listened to before the end of a mail. One that has gone while it took the mail shows it
// in that time, and the mail can be tried again; of one that goes later nobody knows whether it has kept the mail.
const hesitation = 50 * time.Millisecond

// listen looks whether the server is still there and waits: a mail that it has broken off is not ended.
func (c *conversation) listen() error {
	_ = c.connection.SetReadDeadline(time.Now().Add(hesitation)) // a connection that is gone tells so right away
	_, err := c.Text.R.Peek(1)
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return nil
	case err != nil:
		return fmt.Errorf("the mail server is gone: %w", err)
	}
	c.step()
	if _, _, err = c.Text.ReadResponse(250); err != nil {
		return refused("send the mail", err)
	}
	return errors.New("the mail server answered before the end of the mail")
}

// prepareEnd has the connection keep the end of the mail, ready to leave.
func (c *conversation) prepareEnd() error {
	if !c.release() {
		return fmt.Errorf("the mail was not ended: %w", context.Canceled)
	}
	_ = c.connection.SetDeadline(time.Time{}) // the record has its own; a connection that is gone tells so when the end leaves
	c.connection.Hold()
	if err := c.body.Close(); err != nil {
		return fmt.Errorf("end the mail: %w", err)
	}
	return nil
}

// finish sees to it that the end of the mail has left, and hears what the server makes of it. The mail may arrive, whatever
// happens here.
func (c *conversation) finish() error {
	c.step()
	if err := c.connection.Release(); err != nil {
		if !c.connection.Left() {
			return fmt.Errorf("end the mail: %w", err)
		}
		return fmt.Errorf("%w: end the mail: %w", app.ErrMailUncertain, err)
	}
	c.until(answerFactor * c.timeout)
	_, _, err := c.Text.ReadResponse(250)
	var answer *textproto.Error
	switch {
	case err == nil:
		c.until(quitPatience)
		_ = c.Quit() // the mail is there; how the leave was taken changes nothing
		return nil
	case errors.As(err, &answer):
		return refused("hand over the mail", err)
	}
	return fmt.Errorf("%w: the mail server did not answer: %w", app.ErrMailUncertain, err)
}

// refused tells whether an answer of the server is about this mail and for good. What is about the conversation itself
// (a command it does not know, signing in) is for the operator to mend, and the mail is tried again.
func refused(what string, err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		switch answer.Code {
		case 500, 502, 503, 504, 530, 534, 535, 538:
		default:
			return fmt.Errorf("%w: %s: %w", app.ErrMailRefused, what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
