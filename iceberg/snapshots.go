package iceberg

import (
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go/table"
)

// Snapshot is one snapshot of a table that can still be read.
type Snapshot struct {
	ID        int64
	Parent    int64 // 0 without one; it may have expired
	Time      time.Time
	Operation string // of its summary: "append", "overwrite", "delete", "replace"
	Partition string // that its run archived, "" when the summary does not say
	RunID     string
	Rows      int64 // of the whole table, -1 unknown
	Files     int64
	Bytes     int64
}

// Snapshots are those that the table names, the newest first.
func (t *Table) Snapshots() []Snapshot {
	all := t.meta.Snapshots()
	out := make([]Snapshot, 0, len(all))
	for i := range all {
		out = append(out, snapshotOf(&all[i]))
	}
	slices.SortStableFunc(out, func(a, b Snapshot) int { return b.Time.Compare(a.Time) })
	return out
}

func snapshotOf(s *table.Snapshot) Snapshot {
	out := Snapshot{ID: s.SnapshotID, Time: time.UnixMilli(s.TimestampMs).UTC(), Rows: -1, Files: -1, Bytes: -1}
	if s.ParentSnapshotID != nil {
		out.Parent = *s.ParentSnapshotID
	}
	if s.Summary == nil {
		return out
	}
	total := func(key string) int64 {
		if n, err := strconv.ParseInt(s.Summary.Properties[key], 10, 64); err == nil && n >= 0 {
			return n
		}
		return -1
	}
	out.Operation = string(s.Summary.Operation)
	out.Partition, out.RunID = s.Summary.Properties[summaryPartition], s.Summary.Properties[summaryRunID]
	out.Rows, out.Files, out.Bytes = total("total-records"), total("total-data-files"), total("total-files-size")
	return out
}

// Includes reports whether snapshot id is snapshot of or an ancestor of it. One that has expired is an ancestor of all that
// have not: the oldest expire first.
func (t *Table) Includes(of, id int64) bool {
	for range len(t.meta.Snapshots()) + 1 { // a loop of parents ends
		s := t.meta.SnapshotByID(of)
		switch {
		case s == nil:
			return t.meta.SnapshotByID(id) == nil
		case s.SnapshotID == id:
			return true
		case s.ParentSnapshotID == nil:
			return false
		}
		of = *s.ParentSnapshotID
	}
	return false
}
