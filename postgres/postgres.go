// Package postgres is everything that frostline asks of a PostgreSQL server: connections with
// pinned settings, introspection (columns, keys, bounds, definition bundle), exported snapshots,
// COPY, detach, attach. It is the only package that imports pgx.
//
// A DB may be used by many goroutines, a Snapshot too. Passwords never stand in an error.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"frostline/coltype"
)

// Errors, found with errors.Is.
var (
	ErrUnreachable = errors.New("server cannot be reached") // network, TLS, authentication
	ErrNoTable     = errors.New("no such table")
	ErrNoColumn    = errors.New("no such column")
	ErrNoPartition = errors.New("no such partition")
	ErrAmbiguous   = errors.New("several partitions match")
	ErrLockTimeout = errors.New("lock not granted in time") // after all retries
	ErrForeignKey  = errors.New("a foreign key is in the way")
	ErrPrivilege   = errors.New("privilege is missing")
	ErrBadValue    = errors.New("value does not fit the column")
)

// Config says which server. DSN is a libpq URL or key=value string; empty fields of it come from the PG* variables.
type Config struct {
	DSN            string
	Application    string                                                           // application_name
	ConnectTimeout time.Duration                                                    // default 10 s
	IAM            bool                                                             // password is an RDS IAM token, made anew for each connection
	Token          func(ctx context.Context, hostPort, user string) (string, error) // with IAM
}

// DB is a pool of connections with the pinned settings (DateStyle ISO, IntervalStyle postgres, TimeZone UTC, extra_float_digits
// 3, bytea_output hex, lc_monetary C, search_path pg_catalog, client_encoding UTF8, xmloption content).
type DB struct{}

// Open connects once to see that it can: ErrUnreachable.
func Open(ctx context.Context, c Config) (*DB, error) { panic("stub") }

// Close closes all connections.
func (db *DB) Close() { panic("stub") }

// Version is server_version_num, and ServerVersion the text.
func (db *DB) Version() int          { panic("stub") }
func (db *DB) ServerVersion() string { panic("stub") }

// Exec runs one or more statements without results in one simple query; the error names op.
func (db *DB) Exec(ctx context.Context, op, sql string) error { panic("stub") }

// Name is a qualified relation name.
type Name struct{ Schema, Table string }

// String is the quoted, qualified name.
func (n Name) String() string { panic("stub") }

// Quote is the identifier quoted, always with quotes.
func Quote(ident string) string { panic("stub") }

// Literal is the string as an SQL literal, safe with any standard_conforming_strings.
func Literal(s string) string { panic("stub") }

// Table describes a relation.
type Table struct {
	OID         uint32
	Name        Name
	Partitioned bool
	Persistence byte             // p, u, t
	Columns     []coltype.Column // live ones, in attnum order, FieldName set
	PrimaryKey  []string
	Key         *PartitionKey // nil unless Partitioned
	Parent      *Name         // if it is itself a partition
	Bytes       int64         // of the heap and toast, partitions summed
}

// PartitionKey is a partition key.
type PartitionKey struct {
	Strategy byte     // r, l, h
	Columns  []string // "" stands for an expression
	Def      string   // pg_get_partkeydef
}

// Table introspects; ErrNoTable names the nearest tables.
func (db *DB) Table(ctx context.Context, n Name) (*Table, error) { panic("stub") }

// Leaf is a leaf partition.
type Leaf struct {
	OID        uint32
	Name       Name
	Parent     Name   // its direct parent
	Bound      string // pg_get_expr(relpartbound): "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')" or DEFAULT
	Constraint string // pg_get_partition_constraintdef, all levels
	Strategy   byte   // of the direct parent
	KeyColumns []string
	From, To   []string // RANGE on plain columns: bound values as text, "MINVALUE", "MAXVALUE"; else nil
	Bytes      int64
}

// Leaves are all leaf partitions in bound order as the server lists them, then by name.
func (db *DB) Leaves(ctx context.Context, t *Table) ([]Leaf, error) { panic("stub") }

// FindLeaf finds the leaf that column = value names, from the catalog's bounds: a value of the column's type lies in exactly one leaf; a
// period ("2024", "2024-01", "2024-01-15") of a date or timestamp column names the leaf that covers all of it or lies within it alone. column may be
// a name that no column has (transaction_month) when the key has one column. ErrNoPartition and ErrAmbiguous list candidates, ErrBadValue the type.
func (db *DB) FindLeaf(ctx context.Context, t *Table, column, value string) (Leaf, error) {
	panic("stub")
}

// Count is count(*) of the rows that where (SQL, "" all) selects.
func (db *DB) Count(ctx context.Context, n Name, where string) (int64, error) { panic("stub") }

// Snapshot is one exported REPEATABLE READ snapshot; it holds a transaction open until Close.
type Snapshot struct {
	LSN  string // pg_current_wal_lsn, or the replayed one on a replica
	Time time.Time
}

// Snapshot takes one.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) { panic("stub") }

// Close ends its transactions.
func (s *Snapshot) Close() { panic("stub") }

// CopyOut streams COPY (query) TO STDOUT (FORMAT binary) in that snapshot, on a connection of its own, and returns the rows sent,
// also when err is not nil.
func (s *Snapshot) CopyOut(ctx context.Context, query string, w io.Writer) (int64, error) {
	panic("stub")
}

// CtidRanges cuts a heap relation into n WHERE conditions that together select every row once: ["true"] where it cannot.
func (s *Snapshot) CtidRanges(ctx context.Context, leaf uint32, n int) ([]string, error) {
	panic("stub")
}

// RecordColumns are information_schema.columns of the relation: the contract's columns[] as JSON objects' fields.
type InfoColumn struct {
	Name, DataType, Nullable    string
	Default                     *string
	Ordinal                     int
	MaxLength, Precision, Scale *int64
}

// InfoColumns reads them in ordinal order.
func (db *DB) InfoColumns(ctx context.Context, n Name) ([]InfoColumn, error) { panic("stub") }

// CopyIn feeds COPY table (columns) FROM STDIN (FORMAT format) and, in the same transaction before it commits, runs after (SQL, "" none).
func (db *DB) CopyIn(ctx context.Context, table Name, columns, format string, r io.Reader, after string) (int64, error) {
	panic("stub")
}

// Definition is the definition bundle of one relation, enough to make it again (facts: "Attach").
type Definition struct {
	// Filled by the implementation; stored as JSON in the archive record.
	Raw json.RawMessage `json:"-"`
}

// Definition reads the bundle of a leaf of t, or of the plain table t itself.
func (db *DB) Definition(ctx context.Context, leaf uint32) (*Definition, error) { panic("stub") }

// StagingOptions choose how a staging table is made.
type StagingOptions struct {
	Target     Name
	Unlogged   bool
	Tablespace string
}

// CreateStaging is the SQL that creates the bare staging table: columns with types, typmods, collations, defaults, generated, NOT NULL;
// no keys, no indexes, no identity.
func (d *Definition) CreateStaging(o StagingOptions) (string, error) { panic("stub") }

// Step is one step of a plan: its SQL is shown by a dry run and executed by RunStep.
type Step struct {
	Name string   // "detach", "build indexes" …
	SQL  []string // run in order
	Tx   bool     // all of it in one transaction, under lock_timeout with retries and backoff
}

// RunStep executes one step; a lock that is not granted is retried with backoff, then ErrLockTimeout.
func (db *DB) RunStep(ctx context.Context, s Step) error { panic("stub") }

// DetachPlan takes leaf out of its parent: CONCURRENTLY where the server can (14+, no DEFAULT partition), FINALIZE of an interrupted one, else
// plain under lock_timeout. ErrForeignKey names an inbound foreign key that makes it fail. No steps when it is detached already.
func (db *DB) DetachPlan(ctx context.Context, leaf Leaf) ([]Step, error) { panic("stub") }

// AttachOptions say what becomes a partition of what.
type AttachOptions struct {
	Staging    Name
	Parent     Name        // direct parent
	Final      Name        // the name that staging gets
	Bound      string      // FOR VALUES …
	Definition *Definition // of the archived leaf: what only it had (own indexes, grants, comments, triggers, storage …)
}

// AttachPlan is everything from a loaded staging table to the attached partition: SET LOGGED, every index of the parent with its constraint,
// the leaf's own, CHECK NOT VALID, VALIDATE, rename, ATTACH without a scan, drop of the CHECK, identity sequence, ANALYZE. Each step may run again.
func (db *DB) AttachPlan(ctx context.Context, o AttachOptions) ([]Step, error) { panic("stub") }

// LockedTable runs fn on a detached table under ACCESS EXCLUSIVE; fn copies it out by queries of its choice and says whether it is dropped
// in the same transaction.
func (db *DB) LockedTable(ctx context.Context, n Name, fn func(copyOut func(query string, w io.Writer) (int64, error)) (drop bool, err error)) error {
	panic("stub")
}
