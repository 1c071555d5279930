package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"frostline/objstore"
)

// recordName is the published name of the record, in the archive path.
const recordName = "schema_snapshot.json"

// RecordVersion is Record.Version of the records that this package writes.
const RecordVersion = 1

// RecordKey is the key, below the table's, of the record that a run writes before it commits.
func RecordKey(partition, runID string) string {
	return objstore.Segment(partition) + "/schema_snapshot-" + objstore.Segment(runID) + ".json"
}

// WriteRecord writes the record of a run at its RecordKey, replacing what an earlier try of the run wrote. A Version of 0
// is written as RecordVersion.
func (c *Catalog) WriteRecord(ctx context.Context, tableKey string, r *Record) error {
	out := *r
	if out.Version == 0 {
		out.Version = RecordVersion
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("write record of %s/%s: %w", tableKey, r.Partition, err)
	}
	if _, err := c.store.Put(ctx, tableKey+"/"+RecordKey(r.Partition, r.RunID), bytes.NewReader(append(data, '\n'))); err != nil {
		return fmt.Errorf("write record of %s/%s: %w", tableKey, r.Partition, err)
	}
	return nil
}

// ReadRecord reads the record of an archived partition; ErrCorrupt when it is missing, is not a record or does not
// fit p.
func (c *Catalog) ReadRecord(ctx context.Context, t *Table, p Partition) (*Record, error) {
	data, _, err := readObject(ctx, c.store, t.key+"/"+p.Record)
	if errors.Is(err, objstore.ErrNotExist) {
		return nil, fmt.Errorf("read record of %s/%s: %w: %w", t.key, p.Name, ErrCorrupt, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read record of %s/%s: %w", t.key, p.Name, err)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read record of %s/%s: %w: %w", t.key, p.Name, ErrCorrupt, err)
	}
	for _, f := range []struct {
		what      string
		got, want any
	}{
		{"record version", r.Version, RecordVersion},
		{"run", r.RunID, p.RunID},
		{"partition", r.Partition, p.Name},
		{"row count", r.Rows, p.Rows},
		{"digest", r.Digest, p.Digest},
	} {
		if f.got != f.want {
			return nil, fmt.Errorf("read record of %s/%s: %w: its %s is %v, the table says %v", t.key, p.Name, ErrCorrupt, f.what, f.got, f.want)
		}
	}
	return &r, nil
}

// PublishRecord copies the record of the run that the table holds for p.Name to
// "<partition segment>/schema_snapshot.json". It is for people and other tools: this program reads the run's own record.
// Doing it again does no harm.
func (c *Catalog) PublishRecord(ctx context.Context, tableKey string, p Partition) error {
	t, err := c.Load(ctx, tableKey)
	if err != nil {
		return fmt.Errorf("publish record of %s/%s: %w", tableKey, p.Name, err)
	}
	if p, err = t.Partition(p.Name); err != nil {
		return fmt.Errorf("publish record: %w", err)
	}
	data, _, err := readObject(ctx, c.store, tableKey+"/"+p.Record)
	if err != nil {
		return fmt.Errorf("publish record of %s/%s: %w", tableKey, p.Name, err)
	}
	if _, err := c.store.Put(ctx, tableKey+"/"+objstore.Segment(p.Name)+"/"+recordName, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("publish record of %s/%s: %w", tableKey, p.Name, err)
	}
	return nil
}
