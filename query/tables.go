package query

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/iceberg"
)

// TableInfo is one archived table.
type TableInfo struct {
	Schema, Table string // PostgreSQL's
	Location      string
	UUID          string
	Snapshot      int64 // the current one, 0 without
	Partitions    int
	Rows          int64
	Files         int
	Bytes         int64
	ArchivedAt    time.Time // of the newest partition; zero without one
}

// SnapshotInfo is one snapshot of a table.
type SnapshotInfo struct {
	ID        int64
	Parent    int64 // 0 without one; it may have expired
	Current   bool
	Time      time.Time
	Operation string // "append", "overwrite" …
	Partition string // that the run archived, "" when the snapshot does not say
	RunID     string
	Rows      int64 // of the whole table, -1 unknown
	Files     int64
	Bytes     int64
}

// tablesAtOnce is how many tables' metadata are read at once.
const tablesAtOnce = 8

// Tables lists the tables of the warehouse in byte order of their locations. It lists the warehouse's objects.
func (e *Engine) Tables(ctx context.Context) ([]TableInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	keys, err := e.catalog.Tables(ctx)
	if err != nil {
		return nil, e.failed(ctx, e.store.Root(), err)
	}
	out := make([]TableInfo, len(keys))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(tablesAtOnce)
	for i, key := range keys {
		g.Go(func() error {
			schema, table, err := e.catalog.TableAt(key)
			if err != nil {
				return e.failed(gctx, key, err)
			}
			grant, err := e.grant(gctx, schema, table)
			if errors.Is(err, iceberg.ErrNoTable) {
				return nil
			}
			if err != nil {
				return e.failed(gctx, key, err)
			}
			t, err := e.catalog.Load(gctx, key)
			switch {
			case errors.Is(err, iceberg.ErrNoTable): // no version of it was ever finished
			case err != nil:
				return e.failed(gctx, key, err)
			case grant.filters():
				seen, err := e.seen(gctx, &target{table: t, location: t.Location(), snapshot: t.SnapshotID(), grant: grant})
				if err != nil {
					return e.failed(gctx, key, err)
				}
				out[i] = tableInfo(t)
				out[i].Partitions, out[i].Rows, out[i].Files, out[i].Bytes = len(seen), 0, 0, 0
			default:
				out[i] = tableInfo(t)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, e.failed(ctx, e.store.Root(), err)
	}
	list := out[:0]
	for _, t := range out {
		if t.Location != "" {
			list = append(list, t)
		}
	}
	return list, nil
}

func tableInfo(t *iceberg.Table) TableInfo {
	props := t.Properties()
	info := TableInfo{Schema: props["source.schema"], Table: props["source.table"], Location: t.Location(), UUID: t.UUID(), Snapshot: t.SnapshotID()}
	if schema, table, ok := strings.Cut(t.Key(), "/"); ok && info.Table == "" {
		info.Schema, info.Table = schema, table
	}
	for _, p := range t.Partitions() {
		info.Partitions++
		info.Rows += p.Rows
		info.Files += p.Files
		info.Bytes += p.Bytes
		if p.ArchivedAt.After(info.ArchivedAt) {
			info.ArchivedAt = p.ArchivedAt
		}
	}
	return info
}

// Snapshots lists the snapshots that can still be read of the table at path, the newest first. An archive path gives those
// of its table.
func (e *Engine) Snapshots(ctx context.Context, path string) ([]SnapshotInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	t, err := e.open(ctx, path, 0)
	if err != nil {
		return nil, e.failed(ctx, path, err)
	}
	var out []SnapshotInfo
	for _, s := range t.table.Snapshots() {
		if t.grant.filters() { // how much was archived, and which partitions
			s.Partition, s.Rows, s.Files, s.Bytes = "", -1, 0, 0
		}
		out = append(out, SnapshotInfo{ID: s.ID, Parent: s.Parent, Current: s.ID == t.table.SnapshotID(), Time: s.Time, Operation: s.Operation,
			Partition: s.Partition, RunID: s.RunID, Rows: s.Rows, Files: s.Files, Bytes: s.Bytes})
	}
	return out, nil
}
