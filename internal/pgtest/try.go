package pgtest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Try runs one script and gives its error, for statements that are expected to fail and for goroutines.
func (db *DB) Try(sql string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.conn == nil || db.conn.IsClosed() {
		conn, err := pgx.Connect(context.Background(), db.DSN)
		if err != nil {
			return err
		}
		db.conn = conn
	}
	return db.conn.PgConn().Exec(context.Background(), sql).Close()
}

// Notices runs the scripts on a connection of their own and gives what the server said meanwhile, a line each.
func (db *DB) Notices(tb testing.TB, scripts ...string) string {
	tb.Helper()
	config, err := pgconn.ParseConfig(db.DSN)
	if err != nil {
		tb.Fatal(err)
	}
	var said strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { said.WriteString(n.Message + "\n") }
	conn, err := pgconn.ConnectConfig(context.Background(), config)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range scripts {
		if err := conn.Exec(context.Background(), sql).Close(); err != nil {
			tb.Fatalf("%s\n%v", sql, err)
		}
	}
	return said.String()
}
