package postgres

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

func (db *DB) FindLeaf(ctx context.Context, t *Table, column, value string) (Leaf, error) {
	panic("stub")
}

func (db *DB) ValueCondition(ctx context.Context, t *Table, column, value string) (string, error) {
	panic("stub")
}

type Snapshot struct {
	LSN      string // pg_current_wal_lsn, or the replayed one on a replica
	Time     time.Time
	Parallel bool
	Message  string
}

func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) { panic("stub") }
func (s *Snapshot) Close()                                     { panic("stub") }
func (s *Snapshot) CopyOut(ctx context.Context, query string, w io.Writer) (int64, error) {
	panic("stub")
}
func (s *Snapshot) CtidRanges(ctx context.Context, leaf uint32, n int) ([]string, error) {
	panic("stub")
}
func (db *DB) CopyOut(ctx context.Context, query string, w io.Writer) (int64, error) { panic("stub") }
func (db *DB) CopyIn(ctx context.Context, table Name, columns, format string, r io.Reader, after string) (int64, error) {
	panic("stub")
}
func (db *DB) TryLock(ctx context.Context, key string) (release func(), ok bool, err error) {
	panic("stub")
}

type Definition struct {
	Raw json.RawMessage `json:"-"`
}

func (db *DB) Definition(ctx context.Context, leaf uint32) (*Definition, error) { panic("stub") }

type StagingOptions struct {
	Target     Name
	Unlogged   bool
	Tablespace string
}

func (d *Definition) CreateStaging(o StagingOptions) (string, error) { panic("stub") }

type Step struct {
	Name string   // "detach", "build indexes" …
	SQL  []string // run in order
	Tx   bool     // all of it in one transaction, under lock_timeout with retries and backoff
}

func (db *DB) RunStep(ctx context.Context, s Step) error                 { panic("stub") }
func (db *DB) DetachPlan(ctx context.Context, leaf Leaf) ([]Step, error) { panic("stub") }

type AttachOptions struct {
	Staging    Name
	Parent     Name        // direct parent
	Final      Name        // the name that staging gets
	Bound      string      // FOR VALUES …
	Definition *Definition // of the archived leaf: what only it had (own indexes, grants, comments, triggers, storage …)
}

func (db *DB) AttachPlan(ctx context.Context, o AttachOptions) ([]Step, error) { panic("stub") }
func (db *DB) LockedTable(ctx context.Context, n Name, fn func(copyOut func(query string, w io.Writer) (int64, error)) (drop bool, err error)) error {
	panic("stub")
}
