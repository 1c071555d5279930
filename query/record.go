package query

import (
	"context"
	"encoding/json"
	"fmt"
)

// Record is the archive record of the partition at path, as JSON: its definition in PostgreSQL and the proof of the copy.
func (e *Engine) Record(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	data, err := e.record(ctx, path)
	if err != nil {
		return nil, e.failed(ctx, path, err)
	}
	return data, nil
}

func (e *Engine) record(ctx context.Context, path string) ([]byte, error) {
	t, err := e.open(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	if err := t.grant.whole("the archive record"); err != nil {
		return nil, err
	}
	if t.partition == "" {
		return nil, badRequest("not_a_partition", "archivePath", "add /column=value", "%q is a table's location, and each partition has its own record", path)
	}
	p, err := t.table.Partition(t.partition)
	if err != nil {
		return nil, err
	}
	rec, err := e.catalog.ReadRecord(ctx, t.table, p)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", path, err)
	}
	return data, nil
}
