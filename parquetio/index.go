package parquetio

import (
	"context"
	"fmt"
	"math"

	"frostline/coltype"
	"frostline/objstore"
)

// Bounds are the footer statistics of column c in row group rg, as values of c's type; unknown
// where the file has none. Bounds.Exact comes from the side column's chunk.
func (f *File) Bounds(rg int, c coltype.Column) coltype.Bounds {
	g := &f.meta.groups[rg]
	b := coltype.Bounds{Rows: g.rows, Nulls: -1, NaNs: nansUnknown(c.Type.Kind), Exact: f.exactRows(rg)}
	col := f.schema.find(c)
	if col == nil {
		b.Nulls, b.NaNs = g.rows, 0
		return b
	}
	if col.shape != shapeFlat || fits(c.Type, col.leaves[0].elem) != nil {
		return b
	}
	leaf := col.leaves[0]
	s := &g.columns[leaf.ordinal].stats
	b.Nulls = checkedCount(s.nulls, g.rows)
	if leaf.maxDef == 0 {
		b.Nulls = 0
	}
	if b.NaNs < 0 {
		b.NaNs = checkedCount(s.nans, g.rows)
	}
	lo, hi := s.minValue, s.maxValue
	if lo == nil && hi == nil && signedStats(c.Type.Kind) {
		lo, hi = s.min, s.max
	}
	b.Min, b.Max = boundPair(c.Type, leaf.elem, lo, hi)
	return b
}

// nansUnknown is 0 for the kinds that have no NaN.
func nansUnknown(k coltype.Kind) int64 {
	if k == coltype.Float32 || k == coltype.Float64 {
		return -1
	}
	return 0
}

func checkedCount(n, rows int64) int64 {
	if n > rows || n < 0 {
		return -1
	}
	return n
}

// signedStats are the kinds whose deprecated min and max fields all writers ordered alike.
func signedStats(k coltype.Kind) bool {
	switch k {
	case coltype.Int32, coltype.Int64, coltype.Date, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		return true
	}
	return false
}

// boundPair reads a minimum and a maximum. A pair in the wrong order says nothing; a float's zeros
// stand for both zeros, which compare equal here.
func boundPair(t coltype.Type, e *schemaElement, lo, hi []byte) (*coltype.Value, *coltype.Value) {
	if e.logical == logicalInt && !e.signed {
		return nil, nil
	}
	a, b := statValue(t, e, lo), statValue(t, e, hi)
	if a != nil && b != nil && coltype.Compare(*a, *b) > 0 {
		return nil, nil
	}
	// 0xFF… maxima were shortened without being raised by some writers.
	if b != nil && (t.Kind == coltype.String || t.Kind == coltype.Binary) && allFF(hi) {
		b = nil
	}
	return a, b
}

func allFF(b []byte) bool {
	for _, x := range b {
		if x != 0xff {
			return false
		}
	}
	return len(b) > 0
}

// exactRows is the number of rows whose side column is not NULL, 0 without a side column, -1 when
// the file does not say.
func (f *File) exactRows(rg int) int64 {
	col := f.schema.exactColumn()
	if col == nil {
		return 0
	}
	g := &f.meta.groups[rg]
	nulls := g.columns[col.leaves[0].ordinal].stats.nulls
	if nulls < 0 || nulls > g.rows {
		return -1
	}
	return g.rows - nulls // a NULL row leaves one NULL in the key leaf
}

// Pages are the pages of column c in row group rg with their bounds, from the page index. A file
// without one gives a single page with the chunk's bounds.
func (f *File) Pages(ctx context.Context, rg int, c coltype.Column) (_ []Page, err error) {
	defer recovered(&err, "read page index of")
	chunk := f.Bounds(rg, c)
	whole := []Page{{Rows: chunk.Rows, Bounds: chunk}}
	col := f.schema.find(c)
	if col == nil || col.shape != shapeFlat || fits(c.Type, col.leaves[0].elem) != nil {
		return whole, nil
	}
	pages, err := f.pageIndex(ctx, rg)
	if err != nil {
		return nil, fmt.Errorf("read page index of Parquet: %w", err)
	}
	leaf := col.leaves[0]
	p := pages[leaf.ordinal]
	if p.locs == nil {
		return whole, nil
	}
	exact := f.exactPages(rg, pages, p.locs, chunk.Exact)
	out := make([]Page, len(p.locs))
	for i := range p.locs {
		first, rows := pageRows(p.locs, i, chunk.Rows)
		b := coltype.Bounds{Rows: rows, Nulls: -1, NaNs: -1, Exact: exact[i]}
		if chunk.NaNs == 0 {
			b.NaNs = 0
		}
		if leaf.maxDef == 0 || chunk.Nulls == 0 {
			b.Nulls = 0
		}
		if x := p.index; x != nil {
			if x.nulls != nil {
				b.Nulls = checkedCount(x.nulls[i], rows)
			}
			if !x.nullPages[i] {
				b.Min, b.Max = boundPair(c.Type, leaf.elem, x.mins[i], x.maxs[i])
			} else if x.nulls == nil || b.Nulls == rows { // writers without statistics mark all pages
				b.Nulls, b.NaNs = rows, 0
			}
		}
		out[i] = Page{FirstRow: first, Rows: rows, Bounds: b}
	}
	return out, nil
}

func pageRows(locs []pageLocation, i int, total int64) (first, rows int64) {
	end := total
	if i+1 < len(locs) {
		end = locs[i+1].first
	}
	return locs[i].first, end - locs[i].first
}

// exactPages spreads the side column's count over pages: by its own page index where the pages are
// cut at the same rows, else the chunk's count for each.
func (f *File) exactPages(rg int, pages []chunkPages, locs []pageLocation, chunk int64) []int64 {
	out := make([]int64, len(locs))
	for i := range out {
		out[i] = chunk
	}
	col := f.schema.exactColumn()
	if col == nil || chunk == 0 {
		return out
	}
	p := pages[col.leaves[0].ordinal]
	if p.index == nil || p.index.nulls == nil || len(p.locs) != len(locs) {
		return out
	}
	for i := range locs {
		if p.locs[i].first != locs[i].first {
			return out
		}
	}
	for i := range locs {
		_, rows := pageRows(locs, i, f.meta.groups[rg].rows)
		if n := p.index.nulls[i]; n >= 0 && n <= rows {
			out[i] = rows - n
		}
	}
	return out
}

// pageIndex gives the page indexes of all columns of a row group, read by one request the first time.
func (f *File) pageIndex(ctx context.Context, rg int) ([]chunkPages, error) {
	gp := &f.indexes[rg]
	gp.mu.Lock()
	defer gp.mu.Unlock()
	if gp.loaded {
		return gp.chunks, nil
	}
	g := &f.meta.groups[rg]
	var ranges []objstore.Range
	for i := range g.columns {
		c := &g.columns[i]
		if c.offsetIndexLength > 0 {
			ranges = append(ranges, objstore.Range{Off: c.offsetIndexOffset, Len: int64(c.offsetIndexLength)})
			if c.columnIndexLength > 0 {
				ranges = append(ranges, objstore.Range{Off: c.columnIndexOffset, Len: int64(c.columnIndexLength)})
			}
		}
	}
	var got [][]byte
	if len(ranges) > 0 {
		var err error
		if got, err = f.read(ctx, ranges); err != nil {
			return nil, err
		}
	}
	chunks := make([]chunkPages, len(g.columns))
	for i := range g.columns {
		c := &g.columns[i]
		if c.offsetIndexLength == 0 {
			continue
		}
		var index []byte
		offsets := got[0]
		got = got[1:]
		if c.columnIndexLength > 0 {
			index, got = got[0], got[1:]
		}
		var err error
		if chunks[i], err = decodePageIndex(c, g.rows, offsets, index); err != nil {
			return nil, fmt.Errorf("column %d of row group %d: %w", i, rg, err)
		}
	}
	gp.chunks, gp.loaded = chunks, true
	return chunks, nil
}

// decodePageIndex reads and checks the index of one chunk: pages lie in the chunk, one after the
// other, and start at ascending rows from 0.
func decodePageIndex(c *columnChunk, rows int64, offsets, index []byte) (chunkPages, error) {
	locs, err := readOffsetIndex(offsets)
	if err != nil {
		return chunkPages{}, err
	}
	off, n := c.extent()
	end := off
	for i, l := range locs {
		if l.offset < end || l.size <= 0 || l.offset > off+n-int64(l.size) {
			return chunkPages{}, corruptf("page %d lies outside its column", i)
		}
		end = l.offset + int64(l.size)
		if _, r := pageRows(locs, i, rows); r < 0 || r > math.MaxInt32 || (i == 0 && l.first != 0) || l.first > rows {
			return chunkPages{}, corruptf("page %d starts at row %d", i, l.first)
		}
	}
	if len(locs) == 0 {
		return chunkPages{}, nil
	}
	p := chunkPages{locs: locs}
	if index != nil {
		if p.index, err = readColumnIndex(index); err != nil {
			return chunkPages{}, err
		}
		if len(p.index.nullPages) != len(locs) {
			return chunkPages{}, corruptf("column index has %d pages, offset index %d", len(p.index.nullPages), len(locs))
		}
	}
	return p, nil
}
