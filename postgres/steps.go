package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Step is one step of a plan: its SQL is shown by a dry run and executed by RunStep.
type Step struct {
	Name string   // "detach", "build indexes" …
	SQL  []string // run in order
	Tx   bool     // all of it in one transaction, under lock_timeout with retries and backoff

	resume string // replaces the only statement once an attempt at it stopped between its own transactions
}

// firstPause is the first of the pauses between attempts, each twice as long as the one before.
const firstPause = 100 * time.Millisecond

// retry runs fn until it does not fail for a lock, at most LockAttempts times.
func (db *DB) retry(ctx context.Context, op string, fn func(attempt int) error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := fn(attempt)
		switch sqlState(err) {
		case "55P03", "40P01", "40001": // lock_not_available, deadlock_detected, serialization_failure
		default:
			return wrap(op, err)
		}
		if attempt >= max(db.LockAttempts, 1) {
			return fmt.Errorf("%s: %w: gave up after %d attempts: %w", op, ErrLockTimeout, attempt, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w", op, ctx.Err(), err)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (db *DB) lockTimeout() string {
	return fmt.Sprintf("'%dms'", max(db.LockTimeout.Milliseconds(), 1))
}

// RunStep executes one step; a lock that is not granted is retried with backoff, then ErrLockTimeout.
func (db *DB) RunStep(ctx context.Context, s Step) error {
	conn, err := db.acquire(ctx, s.Name)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollback(conn)
	if s.Tx {
		return db.retry(ctx, s.Name, func(int) error { return db.runTx(ctx, conn, s.SQL) })
	}
	if err := exec(ctx, conn, "SET lock_timeout = "+db.lockTimeout()); err != nil {
		return wrap(s.Name, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if !conn.Conn().IsClosed() && exec(ctx, conn, "RESET lock_timeout") != nil {
			conn.Conn().Close(ctx)
		}
	}()
	for _, sql := range s.SQL {
		err := db.retry(ctx, s.Name, func(attempt int) error {
			err := exec(ctx, conn, sql)
			// 55000: an earlier attempt did the first of its two transactions.
			if s.resume != "" && sqlState(err) == "55000" && attempt > 1 {
				sql = s.resume
				err = exec(ctx, conn, sql)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) runTx(ctx context.Context, conn *pgxpool.Conn, sql []string) error {
	defer rollback(conn)
	if err := db.begin(ctx, conn, ""); err != nil {
		return err
	}
	if err := exec(ctx, conn, "SET LOCAL lock_timeout = "+db.lockTimeout()); err != nil {
		return err
	}
	for _, statement := range sql {
		if err := exec(ctx, conn, statement); err != nil {
			return err
		}
	}
	return exec(ctx, conn, "COMMIT")
}

// LockedTable runs fn on a detached table under ACCESS EXCLUSIVE; fn copies it out by queries of its choice and says whether it is
// dropped in the same transaction. When fn or the drop fails, the table stays as it was. A table that is still a partition is
// refused, and so is a drop that other objects depend on.
func (db *DB) LockedTable(ctx context.Context, n Name, fn func(copyOut func(query string, w io.Writer) (int64, error)) (drop bool, err error)) error {
	op := "lock " + n.plain()
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollback(conn)
	err = db.retry(ctx, op, func(int) error {
		if err := db.begin(ctx, conn, ""); err != nil {
			return err
		}
		lock := "SET LOCAL lock_timeout = " + db.lockTimeout() + "; LOCK TABLE " + n.String() + " IN ACCESS EXCLUSIVE MODE"
		if err := exec(ctx, conn, lock); err != nil {
			rollback(conn)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	var partition bool
	if err := conn.QueryRow(ctx, "SELECT relispartition FROM pg_catalog.pg_class WHERE oid = $1::text::regclass", n.String()).Scan(&partition); err != nil {
		return wrap(op, err)
	}
	if partition {
		return fmt.Errorf("%s: it is still a partition; nothing was done", op)
	}
	drop, err := fn(func(query string, w io.Writer) (int64, error) {
		return copyOut(ctx, conn, "copy out "+n.plain(), query, w)
	})
	if err != nil || !drop {
		return err
	}
	op = "drop " + n.plain()
	// It also locks the tables that its foreign keys refer to, and a savepoint keeps ours while it waits for those.
	err = db.retry(ctx, op, func(int) error {
		if err := exec(ctx, conn, "SAVEPOINT dropping"); err != nil {
			return err
		}
		err := exec(ctx, conn, "DROP TABLE "+n.String())
		if err != nil && !conn.Conn().IsClosed() {
			return errors.Join(err, exec(ctx, conn, "ROLLBACK TO SAVEPOINT dropping"))
		}
		return err
	})
	if err != nil {
		if sqlState(err) == "2BP01" && strings.Contains(err.Error(), "constraint") {
			return fmt.Errorf("%w: %w; the table was kept", err, ErrForeignKey)
		}
		return fmt.Errorf("%w; the table was kept", err)
	}
	return wrap(op, exec(ctx, conn, "COMMIT"))
}

// TryLock takes the session advisory lock of key on a connection of its own, or says at once that somebody else holds it. release is
// not nil only when ok. The lock ends with release or with the connection, so a killed process leaves none.
func (db *DB) TryLock(ctx context.Context, key string) (release func(), ok bool, err error) {
	op := "lock " + key
	conn, err := db.acquire(ctx, op)
	if err != nil {
		return nil, false, err
	}
	h := fnv.New64a()
	h.Write([]byte("frostline:" + key))
	id := int64(h.Sum64())
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock($1::int8)", id).Scan(&ok); err != nil {
		conn.Release()
		return nil, false, wrap(op, err)
	}
	if !ok {
		conn.Release()
		return nil, false, nil
	}
	var done bool
	return func() {
		if done {
			return
		}
		done = true
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var released bool
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_advisory_unlock($1::int8)", id).Scan(&released); err != nil || !released {
			conn.Conn().Close(ctx) // ends the lock as well
		}
		conn.Release()
	}, true, nil
}
