package iceberg

import (
	"encoding/binary"
	"maps"
	"slices"

	icego "github.com/apache/iceberg-go"

	"frostline/coltype"
)

// The statistics of a data file are kept as bytes, some 20 a column, and decoded when a filter asks for one column of them:
// with maps of values ten thousand files of twenty columns take 50 MB. Each column is its field id, the length of what follows
// (both unsigned varints), flags, and what the flags name: the NULLs and the NaNs as varints, the lower and the upper bound
// with their lengths, in Iceberg's single-value serialization as the manifest has them.
const (
	hasValues = 1 << iota // the manifest counts the column's values: there is an entry
	hasNulls
	hasNaNs
	hasLower
	hasUpper
)

// packedChunk is how many bytes of statistics are allocated at once, at most.
const packedChunk = 16 << 10

// packedStats gathers the statistics of the files of one manifest.
type packedStats struct {
	left  int // files to come, about
	chunk []byte
	entry []byte
}

// add packs the statistics of a file. The columns are in the order of their ids.
func (p *packedStats) add(df icego.DataFile) []byte {
	values, nulls, nans := df.ValueCounts(), df.NullValueCounts(), df.NaNValueCounts()
	lower, upper := df.LowerBoundValues(), df.UpperBoundValues()
	ids := map[int]bool{}
	for id := range values {
		ids[id] = true
	}
	for id := range nulls {
		ids[id] = true
	}
	var out []byte
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if id < 0 {
			continue
		}
		e := append(p.entry[:0], 0)
		if _, ok := values[id]; ok {
			e[0] |= hasValues
		}
		if n, ok := nulls[id]; ok {
			e[0] |= hasNulls
			e = binary.AppendUvarint(e, uint64(n))
		}
		if n, ok := nans[id]; ok {
			e[0] |= hasNaNs
			e = binary.AppendUvarint(e, uint64(n))
		}
		if b, ok := lower[id]; ok {
			e[0] |= hasLower
			e = append(binary.AppendUvarint(e, uint64(len(b))), b...)
		}
		if b, ok := upper[id]; ok {
			e[0] |= hasUpper
			e = append(binary.AppendUvarint(e, uint64(len(b))), b...)
		}
		out = append(binary.AppendUvarint(binary.AppendUvarint(out, uint64(id)), uint64(len(e))), e...)
		p.entry = e
	}
	if len(out) > cap(p.chunk)-len(p.chunk) {
		p.chunk = make([]byte, 0, max(len(out), min(packedChunk, len(out)*p.left)))
	}
	p.left--
	at := len(p.chunk)
	p.chunk = append(p.chunk, out...)
	return p.chunk[at:len(p.chunk):len(p.chunk)]
}

// exactCells is the number of cells of a file that stand in the side column, -1 unknown.
func exactCells(df icego.DataFile, key int) int64 {
	if v, ok := df.ValueCounts()[key]; ok {
		if n, ok := df.NullValueCounts()[key]; ok && n >= 0 && n <= v {
			return v - n
		}
	}
	return -1
}

// Bounds are what the manifest says of column c, as values of c's type: bounds that were written while the column was narrower
// (int, float, a decimal of fewer digits) are widened. What is missing or makes no sense is unknown; false where the manifest has
// nothing of the column.
func (f *PlanFile) Bounds(c coltype.Column) (coltype.Bounds, bool) {
	for b := f.stats; len(b) > 0; {
		id, n := binary.Uvarint(b)
		size, m := binary.Uvarint(b[n:])
		entry := b[n+m:][:size]
		if id == uint64(c.FieldID) {
			return f.column(c.Type, entry)
		}
		b = b[n+m+int(size):]
	}
	return coltype.Bounds{}, false
}

// column decodes the entry of a column of type t.
func (f *PlanFile) column(t coltype.Type, entry []byte) (coltype.Bounds, bool) {
	flags, entry := entry[0], entry[1:]
	if (flags&hasValues == 0 || t.Kind == coltype.List) && flags&hasNulls == 0 {
		return coltype.Bounds{}, false
	}
	count := func(flag byte, most int64) int64 {
		if flags&flag == 0 {
			return -1
		}
		n, used := binary.Uvarint(entry)
		entry = entry[used:]
		if n > uint64(most) {
			return -1
		}
		return int64(n)
	}
	bound := func(flag byte) *coltype.Value {
		if flags&flag == 0 {
			return nil
		}
		n, used := binary.Uvarint(entry)
		raw := entry[used:][:n]
		entry = entry[used+int(n):]
		return decodeBound(t, raw)
	}
	b := coltype.Bounds{Rows: f.Rows, Nulls: count(hasNulls, f.Rows), NaNs: count(hasNaNs, 1<<62), Exact: f.exact}
	if t.Kind != coltype.Float32 && t.Kind != coltype.Float64 && t.Base != "numeric" {
		b.NaNs = 0
	}
	b.Min, b.Max = bound(hasLower), bound(hasUpper)
	if b.Min != nil && b.Max != nil && coltype.Compare(*b.Min, *b.Max) > 0 {
		b.Min, b.Max = nil, nil
	}
	return b, true
}
