package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx is an open transaction on one connection. It serves one goroutine.
type Tx struct {
	db   *DB
	op   string
	conn *pgxpool.Conn
}

// Transaction runs fn in one transaction, with what setup (SQL, "" none) sets up in it, and commits when fn returns nil. On any
// error nothing of it lasts, but for a commit whose answer was lost: that is ErrUnreachable, and the caller looks.
func (db *DB) Transaction(ctx context.Context, op, setup string, fn func(tx *Tx) error) error {
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollback(conn)
	if err := db.begin(ctx, conn, ""); err != nil {
		return wrap(op, err)
	}
	tx := &Tx{db: db, op: op, conn: conn}
	if setup != "" {
		if _, err := tx.Exec(ctx, setup); err != nil {
			return err
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	return wrap(op, exec(ctx, conn, "COMMIT"))
}

// Exec runs statements without results as one simple query, and returns the rows that the last one touched.
func (tx *Tx) Exec(ctx context.Context, sql string) (int64, error) {
	results, err := tx.conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return 0, wrap(tx.op, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[len(results)-1].CommandTag.RowsAffected(), nil
}

// Query is DB.QueryText in the transaction, without arguments.
func (tx *Tx) Query(ctx context.Context, sql string) ([][]*string, error) {
	result := tx.conn.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, wrap(tx.op, result.Err)
	}
	return textRows(result.Rows), nil
}

// CopyIn feeds COPY table (columns) FROM STDIN (FORMAT format); columns is a comma list of quoted names.
func (tx *Tx) CopyIn(ctx context.Context, table Name, columns, format string, r io.Reader) (int64, error) {
	tag, err := tx.conn.Conn().PgConn().CopyFrom(ctx, r, "COPY "+table.String()+" ("+columns+") FROM STDIN (FORMAT "+format+")")
	return tag.RowsAffected(), wrap(tx.op, err)
}

// Try runs fn under a savepoint: when fn fails, the transaction stands as it was before, and may go on.
func (tx *Tx) Try(ctx context.Context, fn func() error) error {
	if _, err := tx.Exec(ctx, "SAVEPOINT frostline_try"); err != nil {
		return err
	}
	if err := fn(); err != nil {
		if _, back := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT frostline_try; RELEASE SAVEPOINT frostline_try"); back != nil {
			return errors.Join(err, back)
		}
		return err
	}
	_, err := tx.Exec(ctx, "RELEASE SAVEPOINT frostline_try")
	return err
}

// SQLState is the server's code in err, "" for an error that the server did not send.
func SQLState(err error) string { return sqlState(err) }

// Rejected says that the server refused a row for what it holds: a value (class 22), a constraint (23, 44), a row that one
// statement meets twice (21), or what a trigger or function raised (P0001).
func Rejected(err error) bool {
	code := sqlState(err)
	return code == "P0001" || code != "" && strings.Contains("21 22 23 44", code[:2])
}

// Transient says that the same again may succeed: the connection was lost, the server was full, restarting or out of locks, or
// another transaction was in the way.
func Transient(err error) bool {
	switch code := sqlState(err); {
	case code == "":
		return errors.Is(err, ErrUnreachable)
	case code == "08P01": // a protocol violation: the same again
		return false
	case code == "55P03", code == "40001", code == "40P01":
		return true
	default:
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P0")
	}
}

// Pooler says what stands between us and the server, "" for nothing, and whether it takes a session apart, so that nothing
// outlasts a transaction.
func (db *DB) Pooler(ctx context.Context) (what string, loses bool, err error) {
	cc := db.pool.Config().ConnConfig
	between, loses, err := db.probeSession(ctx, "look for a pooler")
	if err != nil {
		return "", false, err
	}
	if what = poolerName(cc.Host, cc.Port); what == "" && (between || db.pooled) {
		what = fmt.Sprintf("a pooler or proxy at %s", hostPort(cc))
	}
	return what, loses, nil
}
