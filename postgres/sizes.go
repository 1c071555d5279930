package postgres

import (
	"context"
	"fmt"
	"strconv"
)

// Sizes are the bytes of one relation on disk.
type Sizes struct {
	Heap    int64 `json:"heap_bytes"` // with its free space and visibility maps
	Indexes int64 `json:"index_bytes"`
	Toast   int64 `json:"toast_bytes"` // with its index
}

// Total is the sum.
func (s Sizes) Total() int64 { return s.Heap + s.Indexes + s.Toast }

// Sizes are those of the relations, by OID. One that is gone has no entry.
func (db *DB) Sizes(ctx context.Context, oids []uint32) (map[uint32]Sizes, error) {
	const op = "measure the partitions"
	list := make([]string, len(oids))
	for i, o := range oids {
		list[i] = strconv.FormatUint(uint64(o), 10)
	}
	rows, err := db.QueryText(ctx, op, `SELECT c.oid, pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
		pg_indexes_size(c.oid), coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)
		FROM pg_class c WHERE c.oid = ANY ($1::oid[])`, list)
	if err != nil {
		return nil, err
	}
	sizes := make(map[uint32]Sizes, len(rows))
	for _, row := range rows {
		var oid uint32
		var s Sizes
		r := rowText(row) // NULLs: dropped just now
		if r[1] == "" {
			continue
		}
		for i, into := range []any{&oid, &s.Heap, &s.Indexes, &s.Toast} {
			if _, err := fmt.Sscan(r[i], into); err != nil {
				return nil, fmt.Errorf("%s: %w", op, err)
			}
		}
		sizes[oid] = s
	}
	return sizes, nil
}
