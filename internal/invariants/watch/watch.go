// Package watch is lib/pq with an eye on every statement that a program sends, and with scissors to cut a connection at any
// of them. It tells what timing cannot: how many statements a piece of work takes, whatever its size.
package watch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Statement is one statement as it was sent.
type Statement struct {
	Text     string // BEGIN, COMMIT and ROLLBACK among them
	Args     []driver.Value
	Affected int64 // rows, of what gives none back
}

// Watch sees all statements of a pool, in the order in which they are sent. That a statement is prepared is not one.
type Watch struct {
	mutex      sync.Mutex
	on         bool
	statements []Statement
	cut        cut
}

type cut struct {
	armed bool
	left  int // statements still let through
	late  bool
	done  bool
}

// Open connects to a database through a watch.
func Open(url string) (*sqlx.DB, *Watch, error) {
	connector, err := pq.NewConnector(url)
	if err != nil {
		return nil, nil, err
	}
	w := &Watch{}
	return sqlx.NewDb(sql.OpenDB(watchedConnector{connector, w}), "postgres"), w, nil
}

// During gives the statements that were sent while work ran.
func (w *Watch) During(work func()) []Statement {
	w.mutex.Lock()
	w.on, w.statements = true, nil
	w.mutex.Unlock()
	work()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.on = false
	return w.statements
}

// CutAt cuts the connection of one statement, the first being 0: before it is sent or, late, when it has been carried out
// and its answer is on its way. It tells whether that came to pass while work ran.
func (w *Watch) CutAt(statement int, late bool, work func()) bool {
	w.mutex.Lock()
	w.cut = cut{armed: true, left: statement, late: late}
	w.mutex.Unlock()
	work()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.cut.armed = false
	return w.cut.done
}

// send sends one statement.
func (w *Watch) send(c *conn, text string, args []driver.NamedValue, statement func() (affected int64, err error)) error {
	at, early, late := w.begin(text, args)
	if early {
		return c.sever()
	}
	affected, err := statement()
	if late {
		return c.sever()
	}
	if at >= 0 {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		if at < len(w.statements) {
			w.statements[at].Affected = affected
		}
	}
	return err
}

func (w *Watch) begin(text string, args []driver.NamedValue) (at int, early, late bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	at = -1
	if w.on {
		values := make([]driver.Value, len(args))
		for i, arg := range args {
			values[i] = arg.Value
		}
		at = len(w.statements)
		w.statements = append(w.statements, Statement{Text: text, Args: values})
	}
	if !w.cut.armed || w.cut.done {
		return at, false, false
	}
	if w.cut.left > 0 {
		w.cut.left--
		return at, false, false
	}
	w.cut.done = true
	return at, !w.cut.late, w.cut.late
}

type watchedConnector struct {
	driver.Connector
	watch *Watch
}

func (c watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	whole, ok := opened.(pqConn)
	if !ok {
		return nil, errors.New("lib/pq's connections are not what they were")
	}
	return &conn{whole, c.watch}, nil
}

// pqConn is all that database/sql uses of lib/pq's connections.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	pqConn
	watch *Watch
}

// sever is what a cut connection looks like to the program.
func (c *conn) sever() error {
	_ = c.Close() // whatever it says, it is gone
	return driver.ErrBadConn
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (begun driver.Tx, err error) {
	err = c.watch.send(c, "BEGIN", nil, func() (int64, error) {
		begun, err = c.pqConn.BeginTx(ctx, options)
		return 0, err
	})
	return tx{begun, c}, err
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.watch.send(c, text, args, func() (int64, error) {
		result, err = c.pqConn.ExecContext(ctx, text, args)
		return affected(result, err)
	})
	return result, err
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.watch.send(c, text, args, func() (int64, error) {
		rows, err = c.pqConn.QueryContext(ctx, text, args)
		return 0, err
	})
	return rows, err
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	prepared, err := c.pqConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	whole, ok := prepared.(pqStmt)
	if !ok { // COPY, which is a statement of its own
		return prepared, c.watch.send(c, text, nil, func() (int64, error) { return 0, nil })
	}
	return &stmt{whole, c, text}, nil
}

// pqStmt is all that database/sql uses of lib/pq's statements.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	pqStmt
	conn *conn
	text string
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	err = s.conn.watch.send(s.conn, s.text, args, func() (int64, error) {
		result, err = s.pqStmt.ExecContext(ctx, args)
		return affected(result, err)
	})
	return result, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.conn.watch.send(s.conn, s.text, args, func() (int64, error) {
		rows, err = s.pqStmt.QueryContext(ctx, args)
		return 0, err
	})
	return rows, err
}

func affected(result driver.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

type tx struct {
	driver.Tx
	conn *conn
}

func (t tx) Commit() error {
	return t.conn.watch.send(t.conn, "COMMIT", nil, func() (int64, error) { return 0, t.Tx.Commit() })
}

func (t tx) Rollback() error {
	return t.conn.watch.send(t.conn, "ROLLBACK", nil, func() (int64, error) { return 0, t.Tx.Rollback() })
}

// Texts are the statements without their arguments.
func Texts(statements []Statement) []string {
	texts := make([]string, len(statements))
	for i, statement := range statements {
		texts[i] = statement.Text
	}
	return texts
}

// MostArgs is the largest number of arguments of any statement.
func MostArgs(statements []Statement) int {
	most := 0
	for _, statement := range statements {
		most = max(most, len(statement.Args))
	}
	return most
}

// Same tells whether two lists of statements are the same but for their arguments.
func Same(a, b []Statement) bool { return slices.Equal(Texts(a), Texts(b)) }
