package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Snapshot is one exported REPEATABLE READ snapshot; it holds a transaction open until Close.
type Snapshot struct {
	LSN  string // pg_current_wal_lsn, or the replayed one on a replica; "" where the server does not tell
	Time time.Time
	// Parallel says that other connections see the snapshot, so that CopyOut calls run at the same time. Otherwise
	// they run one after the other on the snapshot's own connection, and Message says why.
	Parallel bool
	Message  string

	db   *DB
	id   string
	mu   sync.Mutex // of conn
	conn *pgxpool.Conn
}

const readOnly = "ISOLATION LEVEL REPEATABLE READ READ ONLY"

// Snapshot takes one.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	const op = "take a snapshot"
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{db: db, conn: conn}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, wrap(op, err)
	}
	if s.Message == "" {
		if err := s.probe(ctx); err != nil {
			if ctx.Err() != nil {
				s.Close()
				return nil, wrap(op, err)
			}
			s.Message = "another connection cannot use the exported snapshot, one connection reads everything: " + err.Error()
		}
	}
	s.Parallel = s.Message == ""
	return s, nil
}

func (s *Snapshot) open(ctx context.Context) error {
	if err := s.db.begin(ctx, s.conn, readOnly); err != nil {
		return err
	}
	var now time.Time
	if err := s.conn.QueryRow(ctx, "SELECT pg_catalog.statement_timestamp()").Scan(&now); err != nil {
		return err
	}
	s.Time = now.UTC()
	// Either may be refused (poolers, forks); a savepoint keeps the transaction.
	ask := func(sql string, into *string) error {
		if err := exec(ctx, s.conn, "SAVEPOINT ask"); err != nil {
			return err
		}
		if err := s.conn.QueryRow(ctx, sql).Scan(into); err != nil {
			return errors.Join(err, exec(ctx, s.conn, "ROLLBACK TO SAVEPOINT ask"))
		}
		return exec(ctx, s.conn, "RELEASE SAVEPOINT ask")
	}
	lsn := "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text"
	if err := ask(lsn, &s.LSN); err != nil {
		s.LSN = ""
	}
	// pg_export_snapshot refuses to run in a subtransaction, so a failure here needs a new transaction.
	if err := s.conn.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&s.id); err != nil {
		s.Message = "the snapshot cannot be exported, one connection reads everything: " + wrap("pg_export_snapshot", err).Error()
		rollback(s.conn)
		if err := s.db.begin(ctx, s.conn, readOnly); err != nil {
			return err
		}
		return s.conn.QueryRow(ctx, "SELECT pg_catalog.statement_timestamp()").Scan(&now)
	}
	return nil
}

// probe sees whether another connection can use the snapshot.
func (s *Snapshot) probe(ctx context.Context) error {
	conn, err := s.db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollback(conn)
	return s.adopt(ctx, conn)
}

func (s *Snapshot) adopt(ctx context.Context, conn *pgxpool.Conn) error {
	if err := s.db.begin(ctx, conn, readOnly); err != nil {
		return err
	}
	return exec(ctx, conn, "SET TRANSACTION SNAPSHOT "+Literal(s.id))
}

// Close ends its transactions. A second call does nothing.
func (s *Snapshot) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		rollback(s.conn)
		s.conn.Release()
		s.conn = nil
	}
}

// CopyOut streams COPY (query) TO STDOUT (FORMAT binary) in that snapshot, on a connection of its own where Parallel, and
// returns the rows sent; when err is not nil, those that had begun. Each Write gets what the driver gives, at most 64 KiB: a
// short row whole, with the header before the first, or a piece of a long one.
func (s *Snapshot) CopyOut(ctx context.Context, query string, w io.Writer) (int64, error) {
	const op = "copy out"
	if !s.Parallel {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conn == nil {
			return 0, fmt.Errorf("%s: the snapshot is closed", op)
		}
		return copyOut(ctx, s.conn, op, query, w)
	}
	conn, err := s.db.acquire(ctx, op)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	defer rollback(conn)
	if err := s.adopt(ctx, conn); err != nil {
		return 0, wrap(op, err)
	}
	return copyOut(ctx, conn, op, query, w)
}

// CopyOut is Snapshot.CopyOut outside of a snapshot, in a transaction of its own.
func (db *DB) CopyOut(ctx context.Context, query string, w io.Writer) (int64, error) {
	const op = "copy out"
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	defer rollback(conn)
	if err := db.begin(ctx, conn, readOnly); err != nil {
		return 0, wrap(op, err)
	}
	return copyOut(ctx, conn, op, query, w)
}

// countingWriter counts the server's messages, one for each row.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err == nil {
		c.n++
	}
	return n, err
}

func copyOut(ctx context.Context, conn *pgxpool.Conn, op, query string, w io.Writer) (int64, error) {
	defer gather(conn.Conn())()
	counter := &countingWriter{w: w}
	tag, err := conn.Conn().PgConn().CopyTo(ctx, counter, "COPY ("+query+") TO STDOUT (FORMAT binary)")
	if err != nil {
		return counter.n, wrap(op, err)
	}
	return tag.RowsAffected(), nil
}

// CtidRanges cuts a heap relation into at most n WHERE conditions that together select every row once: ["true"] where it
// cannot (before 14, which has no TID range scan; other access methods; partitioned and foreign tables) or need not.
func (s *Snapshot) CtidRanges(ctx context.Context, leaf uint32, n int) ([]string, error) {
	if s.db.version < 140000 || n <= 1 {
		return []string{"true"}, nil
	}
	rows, err := s.db.QueryText(ctx, "measure a relation", `SELECT pg_relation_size(c.oid) / current_setting('block_size')::int8
		FROM pg_class c JOIN pg_am am ON am.oid = c.relam WHERE c.oid = $1::oid AND c.relkind IN ('r', 'm') AND am.amname = 'heap'`, leaf)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return []string{"true"}, nil
	}
	blocks, err := strconv.ParseInt(rowText(rows[0])[0], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("measure a relation: %w", err)
	}
	return cutBlocks(blocks, int64(n)), nil
}

// cutBlocks leaves the last range open, since the relation may grow. The bounds are valid tids: blocks fit in 32 bits.
func cutBlocks(blocks, n int64) []string {
	if n = min(n, blocks); n <= 1 {
		return []string{"true"}
	}
	ranges := make([]string, n)
	for i := range n {
		from, to := blocks*i/n, blocks*(i+1)/n
		switch {
		case i == 0:
			ranges[i] = fmt.Sprintf("ctid < '(%d,0)'::tid", to)
		case i == n-1:
			ranges[i] = fmt.Sprintf("ctid >= '(%d,0)'::tid", from)
		default:
			ranges[i] = fmt.Sprintf("ctid >= '(%d,0)'::tid AND ctid < '(%d,0)'::tid", from, to)
		}
	}
	return ranges
}

// CopyIn feeds COPY table (columns) FROM STDIN (FORMAT format) and, in the same transaction before it commits, runs after (SQL, ""
// none). columns is a comma list of quoted names, "" all; format is binary, text or csv. On any error nothing is loaded.
func (db *DB) CopyIn(ctx context.Context, table Name, columns, format string, r io.Reader, after string) (int64, error) {
	op := "load " + table.plain()
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	defer rollback(conn)
	if err := db.begin(ctx, conn, ""); err != nil {
		return 0, wrap(op, err)
	}
	if columns != "" {
		columns = " (" + columns + ")"
	}
	tag, err := conn.Conn().PgConn().CopyFrom(ctx, r, "COPY "+table.String()+columns+" FROM STDIN (FORMAT "+format+")")
	if err != nil {
		return 0, wrap(op, err)
	}
	if after != "" {
		if err := exec(ctx, conn, after); err != nil {
			return 0, wrap(op, err)
		}
	}
	if err := exec(ctx, conn, "COMMIT"); err != nil {
		return 0, wrap(op, err)
	}
	return tag.RowsAffected(), nil
}
