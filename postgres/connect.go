package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says which server. DSN is a libpq URL or key=value string; empty fields of it come from the PG* variables and
// the password file.
type Config struct {
	DSN            string
	Application    string                                                           // application_name
	ConnectTimeout time.Duration                                                    // default 10 s
	IAM            bool                                                             // password is an RDS IAM token, made anew for each connection
	Token          func(ctx context.Context, hostPort, user string) (string, error) // with IAM
}

// DB is a pool of connections with the pinned settings (DateStyle ISO, IntervalStyle postgres, TimeZone UTC, extra_float_digits
// 3, bytea_output hex, lc_monetary C, search_path pg_catalog, client_encoding UTF8, xmloption content; row_security off, no
// statement timeout).
type DB struct {
	LockTimeout  time.Duration // how long one attempt waits for a lock; default 2 s
	LockAttempts int           // default 10: with pauses of 100 ms, doubled each time, about 50 s beside the waits

	pool    *pgxpool.Pool
	target  string // host:port/database as user, for messages
	version int
	text    string
	pooled  bool // a pooler refused startup parameters: session state may not last, so transactions set their own
}

// pinned are the settings that decide what output functions print and what input functions accept, on which digests rely, and
// those with which a role's or a database's own settings could end a long COPY or leave rows out of it: with row_security off a
// policy that would hide rows is an error.
var pinned = map[string]string{
	"DateStyle":          "ISO, MDY",
	"IntervalStyle":      "postgres",
	"TimeZone":           "UTC",
	"extra_float_digits": "3",
	"bytea_output":       "hex",
	"lc_monetary":        "C",
	"search_path":        "pg_catalog",
	"client_encoding":    "UTF8",
	"xmloption":          "content",

	"row_security":                        "off",
	"statement_timeout":                   "0",
	"idle_in_transaction_session_timeout": "0",
	"jit":                                 "off", // compiling a catalog query takes longer than running it
}

// maxConns bounds the pool unless the DSN has pool_max_conns.
const maxConns = 64

// Open connects once to see that it can: ErrUnreachable.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	cc := pc.ConnConfig
	db := &DB{
		LockTimeout: 2 * time.Second, LockAttempts: 10,
		target: fmt.Sprintf("%s, database %q, user %q", hostPort(cc), cc.Database, cc.User),
	}
	if err := db.connect(ctx, pc); err != nil {
		if !refusedParameter(err) {
			return nil, db.connectError(ctx, err)
		}
		// Poolers accept few startup parameters: connect without ours, and SET them.
		db.pooled = true
		for name := range pinned {
			delete(cc.RuntimeParams, name)
		}
		pc.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			return conn.PgConn().Exec(ctx, pinSQL("SESSION")).Close()
		}
		if err := db.connect(ctx, pc); err != nil {
			return nil, db.connectError(ctx, err)
		}
	}
	return db, nil
}

func poolConfig(c Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		// The parser's own message can quote parts of the string, and so of the password.
		return nil, fmt.Errorf("connect: the connection string cannot be parsed; nothing was done; expected "+
			"postgres://user@host:5432/database?sslmode=require or host=… dbname=… (%s): %w", parseReason(err), ErrUnreachable)
	}
	if !strings.Contains(c.DSN, "pool_max_conns") {
		pc.MaxConns = maxConns
	}
	cc := pc.ConnConfig
	cc.DefaultQueryExecMode = pgx.QueryExecModeExec // a cached generic plan cannot prune partitions
	cc.StatementCacheCapacity, cc.DescriptionCacheCapacity = 0, 0
	cc.DialFunc = gatherDial(cc.DialFunc)
	cc.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(newMessages(r), w)
	}
	if cc.RuntimeParams == nil {
		cc.RuntimeParams = map[string]string{}
	}
	for name := range cc.RuntimeParams { // a user's datestyle or search_path must not stand beside ours
		for pin := range pinned {
			if strings.EqualFold(name, pin) {
				delete(cc.RuntimeParams, name)
			}
		}
	}
	maps.Copy(cc.RuntimeParams, pinned)
	if c.Application != "" {
		cc.RuntimeParams["application_name"] = c.Application
	}
	if cc.ConnectTimeout = c.ConnectTimeout; cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 10 * time.Second
	}
	if c.IAM {
		if c.Token == nil {
			return nil, errors.New("connect: IAM authentication is asked for without a source of tokens")
		}
		if err := onlyTLS(cc); err != nil {
			return nil, err
		}
		pc.BeforeConnect = func(ctx context.Context, cc *pgx.ConnConfig) error {
			token, err := c.Token(ctx, hostPort(cc), cc.User)
			if err != nil {
				return fmt.Errorf("IAM token for %s: %w", hostPort(cc), err)
			}
			cc.Password = token
			return nil
		}
	}
	return pc, nil
}

// onlyTLS takes from cc the ways to connect in clear text, in which a token could be read: all but those on this machine.
func onlyTLS(cc *pgx.ConnConfig) error {
	inClear := func(host string, c *tls.Config) bool { return c == nil && !local(host) }
	cc.Fallbacks = slices.DeleteFunc(cc.Fallbacks, func(f *pgconn.FallbackConfig) bool { return inClear(f.Host, f.TLSConfig) })
	if !inClear(cc.Host, cc.TLSConfig) {
		return nil
	}
	if len(cc.Fallbacks) == 0 {
		return fmt.Errorf("connect to %s: IAM authentication needs TLS, which sslmode turns off; nothing was sent; set sslmode=verify-full or require: %w",
			hostPort(cc), ErrBadValue)
	}
	first := cc.Fallbacks[0]
	cc.Host, cc.Port, cc.TLSConfig, cc.Fallbacks = first.Host, first.Port, first.TLSConfig, cc.Fallbacks[1:]
	return nil
}

// parseReason is the fixed part of the parser's message, without what it quotes.
func parseReason(err error) string {
	text := err.Error()
	for _, reason := range []string{"failed to parse as URL", "failed to parse as keyword/value", "invalid port", "failed to configure TLS",
		"sslmode is invalid", "unable to read", "failed to read service", "unknown target_session_attrs", "invalid connect_timeout"} {
		if strings.Contains(text, reason) {
			return reason
		}
	}
	return "a setting is invalid"
}

func hostPort(cc *pgx.ConnConfig) string {
	return net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port)))
}

func pinSQL(scope string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		value := Literal(pinned[name])
		if name == "search_path" {
			value = "pg_catalog"
		}
		fmt.Fprintf(&b, "SET %s %s = %s; ", scope, name, value)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func (db *DB) connect(ctx context.Context, pc *pgxpool.Config) error {
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return err
	}
	var number string
	if err := pool.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version')").
		Scan(&number, &db.text); err != nil {
		pool.Close()
		return err
	}
	if db.version, err = strconv.Atoi(number); err != nil {
		pool.Close()
		return fmt.Errorf("server_version_num is %q", number)
	}
	if db.version < 130000 {
		pool.Close()
		return fmt.Errorf("the server is PostgreSQL %s; 13 or later is needed", db.text)
	}
	db.pool = pool
	return nil
}

// refusedParameter: PgBouncer says 08P01 "unsupported startup parameter"; others say 0A000 or name the parameter.
func refusedParameter(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	return pgErr.Code == "08P01" || pgErr.Code == "0A000" || strings.Contains(pgErr.Message, "parameter")
}

func (db *DB) connectError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("connect to %s: %w", db.target, ctx.Err())
	}
	reason := err.Error()
	var connErr *pgconn.ConnectError
	if errors.As(err, &connErr) {
		reason = connErr.Unwrap().Error()
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		reason = (&serverError{pgErr}).Error()
	}
	return fmt.Errorf("connect to %s: %w: %s", db.target, ErrUnreachable, strings.ReplaceAll(reason, "\n", "; "))
}

// Close closes all connections; it waits for those in use, so close Snapshots and release locks first.
func (db *DB) Close() { db.pool.Close() }

// Version is server_version_num (150018), and ServerVersion the text ("15.18 (Debian …)").
func (db *DB) Version() int          { return db.version }
func (db *DB) ServerVersion() string { return db.text }

// acquire takes a connection of the pool.
func (db *DB) acquire(ctx context.Context, op string) (*pgxpool.Conn, error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		var pgErr *pgconn.PgError
		var connErr *pgconn.ConnectError
		if ctx.Err() == nil && (errors.As(err, &pgErr) || errors.As(err, &connErr)) {
			return nil, fmt.Errorf("%s: %w", op, db.connectError(ctx, err))
		}
		return nil, wrap(op, err)
	}
	return conn, nil
}

// begin opens a transaction on conn. The release that belongs to it destroys a connection that is not idle.
func (db *DB) begin(ctx context.Context, conn *pgxpool.Conn, mode string) error {
	sql := "BEGIN " + mode
	if db.pooled {
		sql += "; " + pinSQL("LOCAL")
	}
	return conn.Conn().PgConn().Exec(ctx, sql).Close()
}

// exec runs statements without results as one simple query.
func exec(ctx context.Context, conn *pgxpool.Conn, sql string) error {
	return conn.Conn().PgConn().Exec(ctx, sql).Close()
}

// rollback ends an open transaction also when ctx is over; the connection is closed when even that fails.
func rollback(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		if err := exec(ctx, conn, "ROLLBACK"); err != nil {
			conn.Conn().Close(ctx)
		}
	}
}

// Exec runs one or more statements without results in one simple query; the error names op.
func (db *DB) Exec(ctx context.Context, op, sql string) error {
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollback(conn)
	return wrap(op, exec(ctx, conn, sql))
}

// QueryText is a query's rows as the text that the server prints, nil for NULL. Arguments are strings, integers, booleans or
// []string; cast them in the query where their type is not plain.
func (db *DB) QueryText(ctx context.Context, op, sql string, args ...any) ([][]*string, error) {
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	values := make([][]byte, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case nil:
		case string:
			values[i] = []byte(a)
		case []string:
			values[i] = []byte(textArray(a))
		default:
			values[i] = fmt.Append(nil, a)
		}
	}
	result := conn.Conn().PgConn().ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, wrap(op, result.Err)
	}
	return textRows(result.Rows), nil
}

// textRows are rows in the text format, nil for NULL.
func textRows(values [][][]byte) [][]*string {
	rows := make([][]*string, len(values))
	for i, r := range values {
		rows[i] = make([]*string, len(r))
		for j, v := range r {
			if v != nil {
				s := string(v)
				rows[i][j] = &s
			}
		}
	}
	return rows
}

// textArray is an array literal of quoted elements.
func textArray(elems []string) string {
	quoted := make([]string, len(elems))
	for i, e := range elems {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// rowText is a row without NULLs; a NULL is "".
func rowText(row []*string) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if v != nil {
			out[i] = *v
		}
	}
	return out
}
