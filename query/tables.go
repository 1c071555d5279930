package query

import (
	"context"
	"time"
)

// TableInfo is one archived table.
type TableInfo struct {
	Schema, Table string // PostgreSQL's
	Location      string
	UUID          string
	Snapshot      int64
	Partitions    int
	Rows          int64
	Files         int
	Bytes         int64
	ArchivedAt    time.Time // of the newest partition; zero without one
}

// SnapshotInfo is one snapshot of a table.
type SnapshotInfo struct {
	ID        int64
	Parent    int64 // 0 without one
	Current   bool
	Time      time.Time
	Operation string // "append", "overwrite" …
	Partition string // that the run archived, "" when the snapshot does not say
	RunID     string
	Rows      int64 // of the whole table, -1 unknown
	Files     int64
	Bytes     int64
}

// Tables lists the tables of the warehouse by schema and name.
func (e *Engine) Tables(ctx context.Context) ([]TableInfo, error) {
	return nil, e.failed(ctx, e.store.Root(), errUnbuilt)
}

// Snapshots lists the snapshots of the table at path that can still be read, the newest first.
func (e *Engine) Snapshots(ctx context.Context, path string) ([]SnapshotInfo, error) {
	return nil, e.failed(ctx, path, errUnbuilt)
}
