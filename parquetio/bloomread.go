package parquetio

import (
	"bytes"
	"context"
	"fmt"

	"frostline/coltype"
	"frostline/objstore"
)

// Chunk names a column of one row group.
type Chunk struct {
	RowGroup int
	Column   coltype.Column
}

// HasBloom reports whether column c has a Bloom filter in row group rg that can be asked.
func (f *File) HasBloom(rg int, c coltype.Column) bool { return f.bloomed(rg, c) != nil }

// bloomed is the element of c, nil without a filter.
func (f *File) bloomed(rg int, c coltype.Column) *fileLeaf {
	col := f.schema.find(c)
	if col == nil || col.shape != shapeFlat || !bloomable(c.Type, col.leaves[0].elem) {
		return nil
	}
	leaf := &col.leaves[0]
	if f.meta.groups[rg].columns[leaf.ordinal].bloomLength == 0 {
		return nil
	}
	return leaf
}

// Bloom reads the Bloom filter of column c in row group rg; ok is false when the file has none. A
// filter that contradicts itself is ErrCorrupt.
func (f *File) Bloom(ctx context.Context, rg int, c coltype.Column) (filter Filter, ok bool, err error) {
	list, err := f.Blooms(ctx, []Chunk{{rg, c}})
	if err != nil {
		return Filter{}, false, err
	}
	return list[0], list[0].bits != nil, nil
}

// Blooms reads the filters of chunks in one request; where there is none it gives the zero Filter.
// Nothing is kept: a caller that asks again keeps them itself.
func (f *File) Blooms(ctx context.Context, chunks []Chunk) (_ []Filter, err error) {
	defer recovered(&err, "read Bloom filter of")
	out := make([]Filter, len(chunks))
	var ranges []objstore.Range
	var at []int
	for i, c := range chunks {
		if leaf := f.bloomed(c.RowGroup, c.Column); leaf != nil {
			m := &f.meta.groups[c.RowGroup].columns[leaf.ordinal]
			ranges = append(ranges, objstore.Range{Off: m.bloomOffset, Len: int64(m.bloomLength)})
			at = append(at, i)
		}
	}
	if len(ranges) == 0 {
		return out, nil
	}
	got, err := f.read(ctx, ranges)
	if err != nil {
		return nil, fmt.Errorf("read Bloom filter of Parquet: %w", err)
	}
	for k, i := range at {
		c := chunks[i]
		bits, known, err := readBloom(got[k])
		if err != nil {
			return nil, fmt.Errorf("read Bloom filter of Parquet: column %q of row group %d: %w", c.Column.Name, c.RowGroup, err)
		}
		if known { // not a slice of what may be a larger read
			out[i] = Filter{bits: bytes.Clone(bits), typ: c.Column.Type, elem: *f.bloomed(c.RowGroup, c.Column).elem}
		}
	}
	return out, nil
}
