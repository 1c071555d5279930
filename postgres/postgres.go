// Package postgres is everything that frostline asks of a PostgreSQL server (13 and later): connections with pinned
// settings, introspection (columns, keys, bounds, definition bundle), exported snapshots, COPY, detach, attach. It is the
// only package that imports pgx.
//
// A DB may be used by many goroutines, a Snapshot too. Passwords never stand in an error. Nothing waits for a lock without
// end: every statement that needs a strong lock runs under lock_timeout and is tried again with backoff.
//
// Destructive work is a plan first: a list of [Step], shown by a dry run and executed by [DB.RunStep]. A plan is made from
// the live catalogs and holds only what is left to do, so after a crash the same call gives the rest.
package postgres

import "errors"

// Errors, found with errors.Is. The text in front of them names the operation and the object.
var (
	ErrUnreachable = errors.New("server cannot be reached") // network, TLS, authentication
	ErrNoTable     = errors.New("no such table")
	ErrNoColumn    = errors.New("no such column")
	ErrNoPartition = errors.New("no such partition")
	ErrAmbiguous   = errors.New("several partitions match")
	ErrLockTimeout = errors.New("lock not granted in time") // after all retries
	ErrForeignKey  = errors.New("a foreign key is in the way")
	// ErrHalfDetached: another partition of the table has a pending DETACH CONCURRENTLY.
	ErrHalfDetached = errors.New("another partition is half detached")
	ErrPrivilege    = errors.New("privilege is missing")
	ErrBadValue     = errors.New("value does not fit the column")
)
