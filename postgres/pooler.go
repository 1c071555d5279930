package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// poolerFindings looks for something between us and the server, and whether it takes our session apart.
func (db *DB) poolerFindings(ctx context.Context, op string) ([]Finding, error) {
	between, loses, err := db.probeSession(ctx, op)
	if err != nil {
		return nil, err
	}
	host, port := db.pool.Config().ConnConfig.Host, db.pool.Config().ConnConfig.Port
	f := Finding{Severity: Warning, About: AboutArchive, Code: "pooler", Object: hostPort(db.pool.Config().ConnConfig),
		Do: "connect to the server itself: bulk work gains nothing from a pooler"}
	switch by := poolerName(host, port); {
	case loses:
		f.Severity, f.Code = Error, "pooler-loses-session"
		f.Means = "statements of one connection reach different server processes: settings, advisory locks and lock_timeout do not last, so digests and locks cannot be relied on"
		f.Do = "connect to the server itself, or through a pool in session mode"
	case by != "":
		f.Means = "the name or port is that of " + by + ": the session lasts so far, and may not"
	case between || db.pooled:
		f.Means = "a pooler or proxy stands between: the session lasts so far, and may not"
	default:
		return nil, nil
	}
	return []Finding{f}, nil
}

// poolerName knows poolers by their addresses, "" otherwise.
func poolerName(host string, port uint16) string {
	label, _, _ := strings.Cut(host, ".")
	switch {
	case strings.HasSuffix(label, "-pooler"):
		return "a pooled Neon endpoint"
	case strings.HasSuffix(host, ".rds.amazonaws.com") && strings.Contains(host, ".proxy-"):
		return "an RDS Proxy"
	case port == 6432:
		return "PgBouncer"
	}
	return ""
}

// probeSession sees whether something stands between (the key of the connection names another process than the one that
// answers), and whether the process changes: a pooler in transaction mode gives the first connection's to the second.
func (db *DB) probeSession(ctx context.Context, op string) (between, loses bool, err error) {
	first, err := db.acquire(ctx, op)
	if err != nil {
		return false, false, err
	}
	defer first.Release()
	pid := func(c *pgxpool.Conn) (n uint32, err error) {
		err = c.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()").Scan(&n)
		return n, wrap(op, err)
	}
	one, err := pid(first)
	if err != nil {
		return false, false, err
	}
	between = one != first.Conn().PgConn().PID()
	if !between {
		return false, false, nil
	}
	second, err := db.acquire(ctx, op)
	if err != nil {
		return between, false, err
	}
	defer second.Release()
	defer rollback(second)
	if err := db.begin(ctx, second, ""); err != nil {
		return between, false, wrap(op, err)
	}
	other, err := pid(second)
	if err != nil || other == one {
		return between, err == nil, err
	}
	again, err := pid(first)
	return between, err == nil && again != one, err
}
