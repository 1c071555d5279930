// Package pgtest gives tests a private PostgreSQL server and fresh databases on it.
//
// One server serves a test binary; it starts at the first [Start] and is stopped and removed when the binary ends,
// however it ends. Every [Server.Database] is dropped at the end of its test. A test is skipped only where no server is
// installed and FROSTLINE_REQUIRE_PG is not set. All methods fail the test on error and may be used by many tests at once.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"frostline/internal/pgserver"
)

// Null is how Query shows NULL.
const Null = "<NULL>"

// Server is the test binary's server.
type Server struct {
	*pgserver.Server
	Major int // 15
}

var (
	once     sync.Once
	shared   *Server
	startErr error
)

// Start is the test binary's server, started at the first call.
func Start(tb testing.TB) *Server {
	tb.Helper()
	once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		var s *pgserver.Server
		if s, startErr = pgserver.Start(ctx, pgserver.Options{}); startErr != nil {
			return
		}
		shared = &Server{Server: s}
		var conn *pgconn.PgConn
		if conn, startErr = pgconn.Connect(ctx, s.DSN("postgres")); startErr != nil {
			return
		}
		defer conn.Close(ctx)
		shared.Major, _ = parseMajor(conn.ParameterStatus("server_version"))
	})
	if errors.Is(startErr, pgserver.ErrNotInstalled) && os.Getenv("FROSTLINE_REQUIRE_PG") == "" {
		tb.Skip(startErr)
	}
	if startErr != nil {
		tb.Fatal(startErr)
	}
	return shared
}

func parseMajor(version string) (int, bool) {
	n := 0
	for _, r := range version {
		if r < '0' || r > '9' {
			break
		}
		n = n*10 + int(r-'0')
	}
	return n, n > 0
}

// DB is a fresh database of a test.
type DB struct {
	DSN    string // for the superuser: postgres://postgres@127.0.0.1:port/name?sslmode=disable
	Name   string
	Server *Server

	mu   sync.Mutex
	conn *pgx.Conn
}

// Database makes an empty database and drops it, with its sessions, when the test ends.
func (s *Server) Database(tb testing.TB) *DB {
	tb.Helper()
	var b [6]byte
	rand.Read(b[:])
	name := "t_" + hex.EncodeToString(b[:])
	strategy := ""
	if s.Major >= 15 {
		strategy = " STRATEGY file_copy" // ten times as fast as going through the log, on a server without fsync
	}
	s.admin(tb, "CREATE DATABASE "+name+strategy)
	db := &DB{DSN: s.DSN(name), Name: name, Server: s}
	tb.Cleanup(func() {
		if db.conn != nil {
			db.conn.Close(context.Background())
		}
		s.admin(tb, "DROP DATABASE "+name+" WITH (FORCE)")
	})
	return db
}

// admin runs one statement in the database postgres.
func (s *Server) admin(tb testing.TB, sql string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(ctx)
	if err := conn.Exec(ctx, sql).Close(); err != nil {
		tb.Fatalf("pgtest: %s: %v", sql, err)
	}
}

// Role makes a role that may log in, with the further options ("NOSUPERUSER CREATEDB …"), and drops it after the test's
// databases. It returns the role's unique name, which starts with prefix.
func (s *Server) Role(tb testing.TB, prefix, options string) string {
	tb.Helper()
	var b [4]byte
	rand.Read(b[:])
	name := prefix + "_" + hex.EncodeToString(b[:])
	quoted := pgx.Identifier{name}.Sanitize()
	s.admin(tb, "CREATE ROLE "+quoted+" LOGIN "+options)
	tb.Cleanup(func() { s.admin(tb, "DROP ROLE IF EXISTS "+quoted) })
	return name
}

// DSNAs is the database's URL for another role; make the role before the database, so that it is dropped after it.
func (db *DB) DSNAs(role, password string) string {
	u, _ := url.Parse(db.DSN)
	u.User = url.User(role)
	if password != "" {
		u.User = url.UserPassword(role, password)
	}
	return u.String()
}

func (db *DB) connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	if db.conn == nil || db.conn.IsClosed() {
		config, err := pgx.ParseConfig(db.DSN)
		if err != nil {
			tb.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		conn, err := pgx.ConnectConfig(context.Background(), config)
		if err != nil {
			tb.Fatalf("pgtest: %v", err)
		}
		db.conn = conn
	}
	return db.conn
}

// Exec runs the scripts, each in one simple query that may hold several statements.
func (db *DB) Exec(tb testing.TB, scripts ...string) {
	tb.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	conn := db.connect(tb)
	for _, sql := range scripts {
		if err := conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
			tb.Fatalf("%s\n%v", sql, err)
		}
	}
}

// Query is the result's rows as text, NULL as [Null]. Arguments are given as text.
func (db *DB) Query(tb testing.TB, sql string, args ...string) [][]string {
	tb.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	var values [][]byte
	for _, a := range args {
		values = append(values, []byte(a))
	}
	result := db.connect(tb).PgConn().ExecParams(context.Background(), sql, values, nil, nil, nil).Read()
	if result.Err != nil {
		tb.Fatalf("%s\n%v", sql, result.Err)
	}
	rows := make([][]string, 0, len(result.Rows))
	for _, r := range result.Rows {
		row := make([]string, len(r))
		for i, v := range r {
			if row[i] = string(v); v == nil {
				row[i] = Null
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// One is the only value of the only row.
func (db *DB) One(tb testing.TB, sql string, args ...string) string {
	tb.Helper()
	rows := db.Query(tb, sql, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		tb.Fatalf("%s\ngave %q, want one value", sql, rows)
	}
	return rows[0][0]
}

// CopyOut is COPY (query) TO STDOUT (FORMAT binary).
func (db *DB) CopyOut(tb testing.TB, query string) []byte {
	tb.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	var b bytes.Buffer
	if _, err := db.connect(tb).PgConn().CopyTo(context.Background(), &b, "COPY ("+query+") TO STDOUT (FORMAT binary)"); err != nil {
		tb.Fatalf("%s\n%v", query, err)
	}
	return b.Bytes()
}

// CopyIn feeds a COPY … FROM STDIN statement.
func (db *DB) CopyIn(tb testing.TB, sql string, data []byte) {
	tb.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, err := db.connect(tb).PgConn().CopyFrom(context.Background(), bytes.NewReader(data), sql); err != nil {
		tb.Fatalf("%s\n%v", sql, err)
	}
}

// Table prints rows as lines of values between bars, for messages.
func Table(rows [][]string) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.Join(r, " | ") + "\n")
	}
	return b.String()
}
