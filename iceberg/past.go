package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"frostline/objstore"
)

// ReadRecordAt is the record of a partition as a snapshot of the past had it: that of the last run for it among the snapshot and
// its ancestors, whose summaries name their runs. ErrNoSnapshot when the table has no such snapshot (any more), ErrNoPartition
// when the partition was not archived then, ErrCorrupt when the record is gone or names other files than the snapshot.
func (c *Catalog) ReadRecordAt(ctx context.Context, t *Table, name string, snapshotID int64) (*Record, Partition, error) {
	fail := func(err error) (*Record, Partition, error) {
		return nil, Partition{}, fmt.Errorf("read record of %s/%s at snapshot %d: %w", t.key, name, snapshotID, err)
	}
	p, err := t.runAt(name, snapshotID)
	if err != nil {
		return fail(err)
	}
	data, _, err := readObject(ctx, c.store, t.key+"/"+p.Record)
	if errors.Is(err, objstore.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err != nil {
		return fail(err)
	}
	var said struct {
		Digest   string `json:"digest"`
		SchemaID int    `json:"iceberg_schema_id"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	p.Digest, p.SchemaID = said.Digest, said.SchemaID // the summary does not have them
	r, err := c.ReadRecord(ctx, t, p)
	if err != nil {
		return nil, Partition{}, err
	}
	parts, err := c.Plan(ctx, t, snapshotID)
	if err != nil {
		return fail(err)
	}
	var have, want []string
	for _, part := range parts {
		for _, f := range part.Files {
			if part.Name == name {
				have = append(have, f.Location)
				p.Bytes += f.Bytes
			}
		}
	}
	for _, f := range r.Files {
		want = append(want, t.Location()+"/"+f.Path)
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return fail(fmt.Errorf("%w: its record names the files %q, the snapshot has %q", ErrCorrupt, want, have))
	}
	p.Files = len(have)
	return r, p, nil
}

// runAt is what the summaries say of a partition's last run, as of a snapshot.
func (t *Table) runAt(name string, snapshotID int64) (Partition, error) {
	s := t.meta.SnapshotByID(snapshotID)
	if s == nil {
		return Partition{}, fmt.Errorf("%w; the table has %s", ErrNoSnapshot, t.snapshotList())
	}
	for range len(t.meta.Snapshots()) + 1 { // a loop of parents ends
		if s.Summary != nil && s.Summary.Properties[summaryPartition] == name && s.Summary.Properties[summaryRunID] != "" {
			said := s.Summary.Properties
			p := Partition{Name: name, RunID: said[summaryRunID], SnapshotID: s.SnapshotID}
			p.Record = RecordKey(name, p.RunID)
			var err1, err2 error
			p.Rows, err1 = strconv.ParseInt(said[summaryRecords], 10, 64)
			p.ArchivedAt, err2 = time.Parse(time.RFC3339Nano, said[summaryTimestamp])
			if err := errors.Join(err1, err2); err != nil {
				return Partition{}, fmt.Errorf("%w: summary of snapshot %d: %w", ErrCorrupt, s.SnapshotID, err)
			}
			return p, nil
		}
		if s.ParentSnapshotID == nil {
			break
		}
		if s = t.meta.SnapshotByID(*s.ParentSnapshotID); s == nil {
			// What the partition is now it was then too, when that came from a snapshot that has expired as well.
			if p, err := t.Partition(name); err == nil && t.meta.SnapshotByID(p.SnapshotID) == nil {
				return p, nil
			}
			return Partition{}, fmt.Errorf("%w: an ancestor of snapshot %d has expired, and no later one is of the partition", ErrNoSnapshot, snapshotID)
		}
	}
	return Partition{}, fmt.Errorf("snapshot %d: %w at that time", snapshotID, ErrNoPartition)
}

// snapshotList names the newest snapshots for a message.
func (t *Table) snapshotList() string {
	all := t.meta.Snapshots()
	if len(all) == 0 {
		return "none"
	}
	text := ""
	for i := len(all) - 1; i >= 0; i-- {
		if len(all)-i > 5 {
			return text + " …"
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d", all[i].SnapshotID)
		if all[i].Summary != nil {
			text += " (" + all[i].Summary.Properties[summaryPartition] + ", " + time.UnixMilli(all[i].TimestampMs).UTC().Format(time.RFC3339) + ")"
		}
	}
	return text
}
