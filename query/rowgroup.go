package query

import (
	"context"
	"slices"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/lru"
	"frostline/parquetio"
	"frostline/predicate"
)

// group is what is known of a row group before its pages are looked at.
type group struct {
	verdict predicate.Verdict
	byBloom bool // statistics had left it open
}

// bloomBatch is the row groups whose Bloom filters are read at once: usually 128 KiB each a column.
const bloomBatch = 64

// byRowGroup prunes the row groups of f with the footer's statistics and, where these leave it open, with the
// Bloom filters of the columns that may decide it.
func (s *scan) byRowGroup(ctx context.Context, f *parquetio.File, pf iceberg.PlanFile) ([]group, error) {
	groups := make([]group, f.RowGroups())
	var open []int
	var asks []parquetio.Chunk
	for rg := range groups {
		if f.RowGroupRows(rg) == 0 {
			groups[rg].verdict = predicate.None
		} else if !s.noPrune {
			var cols []coltype.Column
			if groups[rg].verdict, cols = s.byFooter(f, rg); len(cols) > 0 {
				open = append(open, rg)
			}
			for _, c := range cols {
				asks = append(asks, parquetio.Chunk{RowGroup: rg, Column: c})
			}
		}
		if len(open) < bloomBatch && rg+1 < len(groups) {
			continue
		}
		filters, err := s.engine.bloomFilters(ctx, f, pf, asks)
		if err != nil {
			return nil, err
		}
		for _, rg := range open {
			groups[rg].verdict = s.byBloomFilter(f, rg, filters)
			groups[rg].byBloom = true
		}
		open, asks = open[:0], asks[:0]
	}
	return groups, nil
}

// byFooter prunes with the statistics of one row group. cols are the columns whose Bloom filters may
// change the verdict Some.
func (s *scan) byFooter(f *parquetio.File, rg int) (v predicate.Verdict, cols []coltype.Column) {
	known := predicate.Known{Bounds: func(col int) coltype.Bounds { return f.Bounds(rg, s.cols[col]) }}
	var asked []int
	known.May = func(col int, _ coltype.Value) bool {
		if !slices.Contains(asked, col) && f.HasBloom(rg, s.cols[col]) {
			asked = append(asked, col)
		}
		return true
	}
	v = s.filter.PruneBy(known)
	if v != predicate.Some || len(asked) == 0 {
		return v, nil
	}
	// The most that filters can say: that nothing is there.
	known.May = func(col int, _ coltype.Value) bool { return !slices.Contains(asked, col) }
	if s.filter.PruneBy(known) == predicate.Some {
		return v, nil
	}
	for _, col := range asked {
		cols = append(cols, s.cols[col])
	}
	return v, cols
}

// byBloomFilter prunes with the statistics and the filters of one row group.
func (s *scan) byBloomFilter(f *parquetio.File, rg int, filters map[bloomChunk]parquetio.Filter) predicate.Verdict {
	return s.filter.PruneBy(predicate.Known{
		Bounds: func(col int) coltype.Bounds { return f.Bounds(rg, s.cols[col]) },
		May: func(col int, v coltype.Value) bool {
			return filters[bloomChunk{rg, s.cols[col].FieldID}].May(v)
		},
	})
}

// bloomCache keeps Bloom filters of data files.
type bloomCache = lru.Cache[bloomKey, parquetio.Filter]

// bloomChunk is a column of a row group.
type bloomChunk struct{ rg, field int }

// bloomKey names a filter; a column that the table has widened since has another kind.
type bloomKey struct {
	footerKey
	bloomChunk
	kind coltype.Kind
}

// bloomWeight is what a kept filter takes beside its bits, roughly.
const bloomWeight = 512

// bloomFilters gives the filters of asks, those that are not kept by one request.
func (e *Engine) bloomFilters(ctx context.Context, f *parquetio.File, pf iceberg.PlanFile, asks []parquetio.Chunk) (map[bloomChunk]parquetio.Filter, error) {
	if len(asks) == 0 {
		return nil, nil
	}
	out := make(map[bloomChunk]parquetio.Filter, len(asks))
	var missing []parquetio.Chunk
	key := func(a parquetio.Chunk) bloomKey {
		return bloomKey{footerKey{pf.Location, pf.Bytes}, bloomChunk{a.RowGroup, a.Column.FieldID}, a.Column.Type.Kind}
	}
	for _, a := range asks {
		k := key(a)
		if filter, ok := e.blooms.Get(k); ok {
			out[k.bloomChunk] = filter
		} else {
			missing = append(missing, a)
		}
	}
	read, err := f.Blooms(ctx, missing)
	if err != nil {
		return nil, unreadable(pf.Location, err)
	}
	for i, a := range missing {
		k := key(a)
		out[k.bloomChunk] = read[i]
		e.blooms.Put(k, read[i], int64(read[i].Bytes())+bloomWeight)
	}
	return out, nil
}
