package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/atonce"
	"handover/internal/telemetry"
)

// Open opens a pool whose connections keep the statements prepared that are marked for it (see keepPrepared), whoever sends
// them: planning a short statement takes longer than running it.
func Open(url string) (*sqlx.DB, error) {
	connector, err := pq.NewConnector(url)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	connector.Dialer(atonce.Dialer{})
	return sqlx.NewDb(sql.OpenDB(preparing{connector}), "postgres"), nil
}

// maxPrepared bounds the statements that a connection keeps prepared; beyond it statements are sent unprepared.
const maxPrepared = 400

type keepPreparedKey struct{}

// keepPrepared marks the statements sent with a context as short: prepared once for each connection.
func keepPrepared(ctx context.Context) context.Context {
	return context.WithValue(ctx, keepPreparedKey{}, true)
}

// settings are what a transaction begins with, for itself alone.
type settings struct {
	statements string
	applied    bool         // together with BEGIN, without a round trip of their own
	along      *atonce.Conn // what it keeps back leaves together with COMMIT
	reach      *Reach       // that is told where the database is when the transaction was committed; nil: none
}

type settingsKey struct{}

type preparing struct{ driver.Connector }

// connectingAtMost is how long making a connection may take.
const connectingAtMost = 10 * time.Second

func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectingAtMost)
	defer cancel()
	var dialed *atonce.Conn
	opened, err := p.Connector.Connect(atonce.Dialed(ctx, &dialed))
	if err != nil {
		return nil, err
	}
	whole, ok := opened.(pqConn)
	if !ok || dialed == nil {
		return nil, errors.New("lib/pq's connections are not what they were")
	}
	if err := dialed.SetDeadline(time.Time{}); err != nil { // the dialer's, which was for connecting
		return nil, errors.Join(err, opened.Close())
	}
	return &preparingConn{pqConn: whole, dialed: dialed, prepared: map[string]pqStmt{}}, nil
}

// pqConn and pqStmt are all that database/sql uses of lib/pq's connections and statements.
type pqConn interface {
	driver.Conn
	driver.Tx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparingConn is one connection with what it has prepared, by text. A connection is never used by two at once.
type preparingConn struct {
	pqConn
	dialed   *atonce.Conn // under it
	prepared map[string]pqStmt
	begun    bool // a transaction, which is seen to that it ends
}

// letGoAfter is how long a database may take to end what nobody waits for any more.
const letGoAfter = 2 * time.Second

// letGo closes the connection where the context ends and what is done does not, after a while. lib/pq asks the database to cancel a
// statement, and waits for its answer: from one that stands still, or is cut off without a word, none ever comes.
func (c *preparingConn) letGo(ctx context.Context) (done func()) {
	var lock sync.Mutex
	ended := false
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(letGoAfter, func() {
			lock.Lock()
			defer lock.Unlock()
			if !ended {
				_ = c.dialed.Close() // what waits for it fails
			}
		})
	})
	return func() {
		stop()
		lock.Lock()
		defer lock.Unlock()
		ended = true
	}
}

// endingTx is a transaction that is seen to that it ends.
type endingTx struct {
	driver.Tx
	conn *preparingConn
	done func()
}

// Commit commits.
func (t endingTx) Commit() error {
	defer t.end()
	return t.Tx.Commit()
}

// Rollback rolls back.
func (t endingTx) Rollback() error {
	defer t.end()
	return t.Tx.Rollback()
}

func (t endingTx) end() {
	t.conn.begun = false
	t.done()
}

// statement prepares a text that is marked for it, unless that was done before; nil where it is to be sent as it is.
func (c *preparingConn) statement(ctx context.Context, text string, args []driver.NamedValue) (pqStmt, error) {
	if len(args) == 0 || ctx.Value(keepPreparedKey{}) == nil {
		return nil, nil
	}
	if known := c.prepared[text]; known != nil {
		return known, nil
	}
	if len(c.prepared) >= maxPrepared {
		return nil, nil
	}
	made, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	statement, ok := made.(pqStmt)
	if !ok {
		return nil, errors.New("lib/pq's statements are not what they were")
	}
	c.prepared[text] = statement
	return statement, nil
}

// BeginTx begins a transaction, with its settings where the context has some. It does so without lib/pq, whose connection is
// its transaction as well, and would remember this one's context.
func (c *preparingConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	isolation := sql.IsolationLevel(options.Isolation)
	begin := "BEGIN"
	if isolation != sql.LevelDefault {
		begin += " ISOLATION LEVEL " + isolation.String()
	}
	if options.ReadOnly {
		begin += " READ ONLY"
	}
	wanted, given := ctx.Value(settingsKey{}).(*settings)
	if given {
		begin += "; " + wanted.statements
	}
	done := c.letGo(ctx)
	c.begun = true
	if _, err := c.ExecContext(ctx, begin, nil); err != nil {
		return nil, errors.Join(err, endingTx{c.pqConn, c, done}.Rollback())
	}
	var begun driver.Tx = c.pqConn
	if given {
		wanted.applied = true
		begun = settledTx{preparingConn: c, settings: wanted}
	}
	begun = endingTx{begun, c, done}
	if telemetry.Tracing(ctx) {
		begun = tracedEnd{begun, ctx}
	}
	return begun, nil
}

// settledTx is a transaction with its settings.
type settledTx struct {
	*preparingConn
	settings *settings
}

// Commit commits, and notes where the database is then. It asks on the same connection, so that there is no other to be waited for.
func (t settledTx) Commit() error {
	if err := t.commit(); err != nil || t.settings.reach == nil {
		return err
	}
	if position, err := t.position(); err == nil {
		t.settings.reach.note(position)
	}
	return nil // the change is made; without a position its caller reads from the primary
}

// commit commits, and has what is to leave together with COMMIT do so. It looks first whether the transaction can be committed:
// of one that has failed, or whose connection is gone, nothing leaves.
func (t settledTx) commit() error {
	if t.settings.along == nil {
		return t.pqConn.Commit()
	}
	if _, err := t.pqConn.ExecContext(context.Background(), "SELECT", nil); err != nil {
		return errors.Join(err, t.Rollback())
	}
	t.dialed.TakeAlong(t.settings.along)
	defer t.dialed.TakeAlong(nil)
	return t.pqConn.Commit()
}

// QueryContext reads with a statement, which is a span where the context is traced.
func (c *preparingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (rows driver.Rows, err error) {
	if telemetry.Tracing(ctx) {
		span := startStatement(ctx, text)
		defer func() { telemetry.End(span, err) }()
	}
	return c.query(ctx, text, args)
}

// ExecContext runs a statement, likewise.
func (c *preparingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (result driver.Result, err error) {
	if telemetry.Tracing(ctx) {
		span := startStatement(ctx, text)
		defer func() { telemetry.End(span, err) }()
	}
	return c.exec(ctx, text, args)
}

func (c *preparingConn) query(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if !c.begun && ctx.Done() != nil {
		defer c.letGo(ctx)()
	}
	statement, err := c.statement(ctx, text, args)
	if err != nil {
		return nil, err
	}
	if statement != nil {
		return statement.QueryContext(ctx, args)
	}
	return c.pqConn.QueryContext(ctx, text, args)
}

func (c *preparingConn) exec(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if !c.begun && ctx.Done() != nil {
		defer c.letGo(ctx)()
	}
	statement, err := c.statement(ctx, text, args)
	if err != nil {
		return nil, err
	}
	if statement != nil {
		return statement.ExecContext(ctx, args)
	}
	return c.pqConn.ExecContext(ctx, text, args)
}
