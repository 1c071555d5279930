package iceberg

import (
	"fmt"

	icego "github.com/apache/iceberg-go"

	"frostline/coltype"
)

// dataFiles are files with their statistics as Iceberg writes them.
func (t *Table) dataFiles(files []DataFile) ([]icego.DataFile, error) {
	spec := t.meta.PartitionSpec()
	types := leafTypes(t.schema)
	out := make([]icego.DataFile, 0, len(files))
	for _, f := range files {
		tuple := map[int]any{}
		for i := range spec.NumFields() {
			field := spec.Field(i)
			value, err := partitionValue(f.Tuple, t.spec.Transform, types[field.SourceID()])
			if err != nil {
				return nil, fmt.Errorf("data file %s: %w", f.Location, err)
			}
			tuple[field.FieldID] = value
		}
		b, err := icego.NewDataFileBuilder(spec, icego.EntryContentData, f.Location, icego.ParquetFile, tuple, nil, nil, f.Rows, f.Bytes)
		if err != nil {
			return nil, fmt.Errorf("data file %s: %w", f.Location, err)
		}
		t.setStats(b, f)
		out = append(out, b.Build())
	}
	return out, nil
}

// setStats sets the counts and bounds of a file.
func (t *Table) setStats(b *icego.DataFileBuilder, f DataFile) {
	types := leafTypes(t.schema)
	sizes, values, nulls, nans := map[int]int64{}, map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	exact := int64(-1)
	for _, s := range f.Columns {
		sizes[s.FieldID], values[s.FieldID] = s.Bytes, s.Values
		if s.Bounds.Nulls >= 0 {
			nulls[s.FieldID] = s.Bounds.Nulls
		}
		exact = max(exact, s.Bounds.Exact)
		typ, flat := types[s.FieldID]
		if !flat {
			continue
		}
		if s.Bounds.NaNs >= 0 && (typ.Kind == coltype.Float32 || typ.Kind == coltype.Float64) {
			nans[s.FieldID] = s.Bounds.NaNs
		}
		if lo := encodeBound(typ, s.Bounds.Min, false); lo != nil {
			lower[s.FieldID] = lo
		}
		if hi := encodeBound(typ, s.Bounds.Max, true); hi != nil {
			upper[s.FieldID] = hi
		}
	}
	// The number of exact cells is kept as the non-null keys of the side column.
	if key := t.schema.ExactKeyID; exact >= 0 {
		values[key] = max(values[key], exact)
		nulls[key] = values[key] - exact
	}
	b.ColumnSizes(sizes).ValueCounts(values).NullValueCounts(nulls).NaNValueCounts(nans).
		LowerBoundValues(lower).UpperBoundValues(upper)
	if len(f.SplitOffsets) > 0 {
		b.SplitOffsets(f.SplitOffsets)
	}
}
