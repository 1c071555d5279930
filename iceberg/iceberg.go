// Package iceberg keeps the archive's Iceberg tables: the path catalog, commits, planning over
// cached manifests, and the archive record.
//
// A table is one PostgreSQL table, format version 2, at <warehouse>/<schema>/<table>. What is
// archived is what its current snapshot says, and nothing else; a folder listing is never
// trusted. The catalog needs no service: version N+1 is created by a conditional put of
// metadata/vN+1.metadata.json; version-hint.text is only a hint. A crash leaves either the
// old version or the new one; files that no version names are left over, and harmless. After a lost
// answer the version is read back and compared: versions never change once made.
//
// All methods may be called at once.
package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"frostline/coltype"
)

// Errors, found with errors.Is.
var (
	ErrNoTable         = errors.New("no Iceberg table")
	ErrNoPartition     = errors.New("partition is not archived")
	ErrPartitionExists = errors.New("partition is archived already")
	ErrNoSnapshot      = errors.New("no such snapshot")
	// ErrUnknownOutcome means that a commit's answer was lost and the table could not be read
	// again; running once more settles it.
	ErrUnknownOutcome = errors.New("outcome of the commit is unknown")
	ErrCorrupt        = errors.New("corrupt Iceberg metadata")
	// ErrClash is of a store that takes two names for one, as the folders of macOS and Windows do with "T" and "t".
	ErrClash = errors.New("another table's archive")
)

// PartitionSpec is the Iceberg partitioning of a table: a transform of one column, or none.
type PartitionSpec struct {
	Column    string `json:"column,omitempty"`
	Transform string `json:"transform,omitempty"` // "year", "month", "day", "identity", "truncate[W]"; "" is unpartitioned
}

// Tuple is a partition value: Null, or Int for year, month, day, and for identity and truncate of booleans,
// integers, floats (their bits), dates and times; Str for decimals ("digits/scale"), strings, binaries and uuids.
// Two tuples of one PartitionSpec are the same Iceberg partition value when they are ==.
type Tuple struct {
	Null bool
	Int  int64
	Str  string
}

// TableSpec is what Ensure makes of a table.
type TableSpec struct {
	Schema, Table string // PostgreSQL's
	Columns       []coltype.Column
	Partition     PartitionSpec
	Properties    map[string]string // source.schema, source.table, source.partition_column …
}

// Partition is what the table says of one archived partition. It is one property,
// frostline.partition.<name>, set in the commit that adds the files.
type Partition struct {
	Name       string    `json:"name"` // "<column>=<value>"
	RunID      string    `json:"run_id"`
	Record     string    `json:"record"` // key of the record, relative to the table's: "<segment>/schema_snapshot-<run>.json"
	Rows       int64     `json:"rows"`
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Digest     string    `json:"digest"`
	Leaf       string    `json:"leaf,omitempty"`   // quoted name of the archived leaf
	Bounds     string    `json:"bounds,omitempty"` // pg_get_expr of relpartbound, or the selection of a plain table
	SnapshotID int64     `json:"snapshot_id"`
	SchemaID   int       `json:"schema_id"`
	ArchivedAt time.Time `json:"archived_at"`
}

// DataFile is a written file to be committed.
type DataFile struct {
	Location     string // absolute
	Rows, Bytes  int64
	Tuple        Tuple
	SplitOffsets []int64
	Columns      []ColumnStats
}

// ColumnStats are one leaf column's; Bounds with a nil Min or Max write none.
type ColumnStats struct {
	FieldID       int
	Bytes, Values int64
	Bounds        coltype.Bounds
}

// Commit adds one partition.
type Commit struct {
	Partition Partition         // Name, RunID, Rows, Digest, Leaf, Bounds, ArchivedAt; the rest is filled in
	Files     []DataFile        // may be empty: a partition without rows
	Replace   bool              // swap the partition's files in one snapshot; else ErrPartitionExists
	Summary   map[string]string // further keys of the snapshot's summary; computed keys cannot be overwritten
	// Record writes the archive record before the version that names it. It may be called again after a lost
	// race, with another snapshot id. Nothing is committed when it fails.
	Record func(ctx context.Context, snapshotID int64, schemaID int) error
}

// PlanFile is one data file of a plan; Bounds gives its statistics.
type PlanFile struct {
	Location    string
	Rows, Bytes int64

	exact int64  // cells in the side column, -1 unknown
	stats []byte // packed, see packed.go
}

// PlanPartition is the files of one archived partition.
type PlanPartition struct {
	Name   string
	Bounds map[int]coltype.Bounds // what the partition's tuples imply for the source column; empty if nothing
	Files  []PlanFile             // by location
}

// Record is schema_snapshot.json: the source's definition and the proof.
type Record struct {
	Version       int             `json:"record_version"` // 1
	RunID         string          `json:"run_id"`
	Tool          string          `json:"tool_version"`
	ServerVersion string          `json:"server_version"`
	SourceTable   SourceTable     `json:"source_table"`
	Partition     string          `json:"partition"`
	Leaf          SourceTable     `json:"leaf"`
	LeafOID       uint32          `json:"leaf_oid,omitempty"` // in the source's database, so that its table is known again after a detach
	PartitionKey  string          `json:"partition_key"`      // pg_get_partkeydef, "" for a plain table
	Bounds        string          `json:"partition_bounds"`   // pg_get_expr(relpartbound)
	Selection     string          `json:"selection"`          // the SELECT that gives the archived rows
	Columns       []RecordColumn  `json:"columns"`
	PrimaryKey    []string        `json:"primary_key_columns"`
	ArrowSchema   string          `json:"arrow_schema"` // arrow.Schema.String of the data files
	Schema        coltype.Schema  `json:"schema"`       // as archived, with field ids: what a restore decodes and loads
	Definition    json.RawMessage `json:"definition"`   // postgres.Definition
	Rows          int64           `json:"total_records"`
	Digest        string          `json:"digest"`
	Files         []RecordFile    `json:"files"`
	SchemaID      int             `json:"iceberg_schema_id"`
	SnapshotID    int64           `json:"iceberg_snapshot_id"`
	LSN           string          `json:"source_lsn"`
	SnapshotTime  time.Time       `json:"source_snapshot_time"`
	ArchivedAt    time.Time       `json:"archived_at"`
}

// SourceTable names a relation.
type SourceTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// RecordColumn is information_schema.columns' row of one column.
type RecordColumn struct {
	Name      string  `json:"column_name"`
	DataType  string  `json:"data_type"`
	Nullable  string  `json:"is_nullable"` // YES or NO
	Default   *string `json:"column_default"`
	Ordinal   int     `json:"ordinal_position"`
	MaxLength *int64  `json:"character_maximum_length"`
	Precision *int64  `json:"numeric_precision"`
	Scale     *int64  `json:"numeric_scale"`
}

// RecordFile is one data file of the record.
type RecordFile struct {
	Path   string `json:"path"` // relative to the table's location
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`         // hex
	ETag   string `json:"etag,omitempty"` // the store's for the object as it was written
}
