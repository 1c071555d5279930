package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"frostline/coltype"
	"frostline/objstore"
)

// The keys of a snapshot's summary that are ours.
const (
	summaryRunID     = "frostline.run-id"
	summaryPartition = "frostline.partition"
	summaryValue     = "source.partition_value"
	summaryTimestamp = "archive.timestamp"
	summaryRecords   = "archive.total_records"
	summaryUser      = "frostline.user." // before a caller's key that would overwrite a computed one
)

// Commit makes one snapshot of m, and is safe against other writers: on a conflict or an error the table is
// reloaded, the run id looked for, and the commit made again on the new version. It returns the table that holds the
// partition. After a conflict with a writer of the same partition it is ErrPartitionExists, or with Replace the later
// one stays. ErrUnknownOutcome as described there; after any other error nothing of m is visible. A run that is in
// the table already is a success.
func (c *Catalog) Commit(ctx context.Context, tableKey string, m Commit) (*Table, error) {
	fail := func(err error) (*Table, error) {
		return nil, fmt.Errorf("commit partition %s of %s: %w", m.Partition.Name, tableKey, err)
	}
	if err := c.checkCommit(tableKey, &m); err != nil {
		return fail(err)
	}
	for try := range raceLimit {
		start := time.Now()
		t, err := c.Load(ctx, tableKey)
		if err != nil {
			return fail(err)
		}
		if t.hasRun(m.Partition.RunID) {
			return t, nil
		}
		if p, err := t.Partition(m.Partition.Name); err == nil && !m.Replace {
			return fail(fmt.Errorf("%w: by run %s at %s; nothing was committed", ErrPartitionExists, p.RunID,
				p.ArchivedAt.UTC().Format(time.RFC3339)))
		}
		files := &storeIO{ctx: ctx, store: c.store}
		data, p, err := c.stage(ctx, t, m, files)
		var next *Table
		if err == nil {
			next, err = openTable(c.store, tableKey, t.version+1, data) // what is published can be read
		}
		if err == nil && m.Record != nil {
			err = m.Record(ctx, p.SnapshotID, p.SchemaID)
		}
		if err != nil {
			files.discard()
			return fail(err)
		}
		err = c.publish(ctx, tableKey, t.version+1, data)
		switch {
		case err == nil:
			c.writeHint(ctx, tableKey, t.version+1)
			return next, nil
		case !errors.Is(err, errLostRace):
			// A put whose answer was lost may still arrive: what it names must stay.
			return nil, err
		}
		files.discard()
		pause(ctx, try, time.Since(start)/2) // others need as long as we did
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
	}
	return fail(fmt.Errorf("lost to %d other commits; nothing was committed", raceLimit))
}

// checkCommit refuses a commit whose parts do not fit together, and fills in what follows from them.
func (c *Catalog) checkCommit(tableKey string, m *Commit) error {
	p := &m.Partition
	if p.Name == "" || p.RunID == "" || !strings.Contains(p.Name, "=") {
		return fmt.Errorf("partition name %q and run id %q: both are needed, the name as column=value", p.Name, p.RunID)
	}
	prefix := objstore.Location(c.store, tableKey+"/"+objstore.Segment(p.Name)) + "/"
	var rows, bytes int64
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Location, prefix) || seen[f.Location] {
			return fmt.Errorf("data file %s: named twice, or not below %s", f.Location, prefix)
		}
		seen[f.Location] = true
		rows += f.Rows
		bytes += f.Bytes
	}
	if rows != p.Rows {
		return fmt.Errorf("the files have %d rows, the partition %d; nothing was committed", rows, p.Rows)
	}
	p.Files, p.Bytes = len(m.Files), bytes
	p.Record = RecordKey(p.Name, p.RunID)
	p.ArchivedAt = p.ArchivedAt.UTC()
	return nil
}

// summary is what a snapshot's summary says beyond what iceberg-go computes.
func (m *Commit) summary() map[string]string {
	p := m.Partition
	_, value, _ := strings.Cut(p.Name, "=")
	s := map[string]string{
		summaryRunID:     p.RunID,
		summaryPartition: p.Name,
		summaryValue:     value,
		summaryTimestamp: p.ArchivedAt.Format(time.RFC3339Nano),
		summaryRecords:   strconv.FormatInt(p.Rows, 10),
	}
	for k, v := range m.Summary {
		if _, ours := s[k]; ours || computedKey(k) {
			k = summaryUser + k
		}
		s[k] = v
	}
	return s
}

// computedKey reports whether a key of a snapshot's summary is one that Iceberg's libraries compute (the spec's
// appendix F).
func computedKey(k string) bool {
	for _, prefix := range []string{"added-", "deleted-", "removed-", "total-", "partitions.", "changed-partition-count",
		"operation", "replace-partitions", "manifests-", "entries-processed", "wap.", "published-wap-id", "source-snapshot-id"} {
		if strings.HasPrefix(k, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"partition-summaries-included", "engine-name", "engine-version"}, k)
}

// leafTypes are the types of the fields by id: of the current schema, and of list elements.
func leafTypes(s coltype.Schema) map[int]coltype.Type {
	types := make(map[int]coltype.Type, len(s.Columns))
	for _, c := range s.Columns {
		if c.Type.Kind != coltype.List {
			types[c.FieldID] = c.Type
		}
	}
	return types
}
