package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go/table"
)

// Old are the snapshots of t that Expire would take away: made before that time, not the current one, and named by no branch
// or tag. Ours are one after another, so what stays is the newest part of the history.
func (t *Table) Old(before time.Time) []Snapshot {
	kept := map[int64]bool{t.SnapshotID(): true}
	for _, ref := range t.meta.Refs() {
		kept[ref.SnapshotID] = true
	}
	var old []Snapshot
	all := t.meta.Snapshots()
	for i := range all {
		if s := snapshotOf(&all[i]); !kept[s.ID] && s.Time.Before(before) {
			old = append(old, s)
		}
	}
	return old
}

// Expire makes a version of the table at key without the snapshots that [Table.Old] says, and returns them; no version when
// there are none. What is archived stays: it is what the current snapshot and its partitions' properties say. Files that only
// the expired snapshots named are not removed. ErrUnknownOutcome as described there: running once more settles it.
func (c *Catalog) Expire(ctx context.Context, key string, before time.Time) ([]Snapshot, error) {
	for try := range raceLimit {
		start := time.Now()
		t, err := c.Load(ctx, key)
		if err != nil {
			return nil, err
		}
		old := t.Old(before)
		if len(old) == 0 {
			return nil, nil
		}
		data, err := t.without(old)
		if err == nil {
			_, err = openTable(c.store, key, t.version+1, data) // what is published can be read
		}
		if err != nil {
			return nil, fmt.Errorf("expire %d snapshots of %s: %w; nothing was changed", len(old), key, err)
		}
		err = c.publish(ctx, key, t.version+1, data)
		if err == nil {
			c.writeHint(ctx, key, t.version+1)
			return old, nil
		}
		if !errors.Is(err, errLostRace) {
			return nil, err
		}
		pause(ctx, try, time.Since(start)/2)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("expire snapshots of %s: lost to %d commits; nothing was changed", key, raceLimit)
}

// without is the metadata of the version after t without the snapshots old.
func (t *Table) without(old []Snapshot) ([]byte, error) {
	ids := make([]int64, len(old))
	for i, s := range old {
		ids[i] = s.ID
	}
	meta, err := table.UpdateTableMetadata(t.meta, []table.Update{table.NewRemoveSnapshotsUpdate(ids, false)}, t.MetadataLocation())
	if err != nil {
		return nil, err
	}
	return json.Marshal(meta)
}
