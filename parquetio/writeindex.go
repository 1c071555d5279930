package parquetio

import "frostline/coltype"

// writeIndexes writes the page indexes: all column indexes, then all offset indexes. A chunk with a
// page of NaN alone, or without an upper bound, has no column index (parquet.thrift, ColumnIndex).
func (w *Writer) writeIndexes() error {
	for g := range w.meta.groups {
		for i := range w.offsets[g] {
			c, x := &w.meta.groups[g].columns[i], &w.offsets[g][i]
			b := x.columnIndex(&w.leaves[i].leaf)
			if b == nil {
				continue
			}
			c.columnIndexOffset, c.columnIndexLength = w.out.off, int32(len(b))
			if _, err := w.out.Write(b); err != nil {
				return err
			}
		}
	}
	for g := range w.meta.groups {
		for i := range w.offsets[g] {
			c := &w.meta.groups[g].columns[i]
			var tw thriftWriter
			writeOffsetIndex(&tw, w.offsets[g][i].locs)
			c.offsetIndexOffset, c.offsetIndexLength = w.out.off, int32(len(tw.b))
			if _, err := w.out.Write(tw.b); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeBlooms writes the Bloom filters of the row group behind its chunks: none is kept until the
// file ends.
func (w *Writer) writeBlooms(g *rowGroup) error {
	for i, l := range w.leaves {
		if l.bloom == nil {
			continue
		}
		b := l.bloom.encode()
		g.columns[i].bloomOffset, g.columns[i].bloomLength = w.out.off, int32(len(b))
		if _, err := w.out.Write(b); err != nil {
			return err
		}
		l.bloom.reset()
	}
	return nil
}

func (x *groupIndex) columnIndex(l *leaf) []byte {
	ci := columnIndex{}
	for _, b := range x.pages {
		lo, hi := b.encode(l.elem.typ)
		null := !b.has && b.nans == 0
		if !null && (lo == nil || hi == nil) {
			return nil
		}
		if null {
			lo, hi = []byte{}, []byte{}
		}
		ci.nullPages = append(ci.nullPages, null)
		ci.mins, ci.maxs = append(ci.mins, lo), append(ci.maxs, hi)
		ci.nulls = append(ci.nulls, b.nulls)
	}
	var tw thriftWriter
	ci.write(&tw)
	return tw.b
}

func (w *Writer) info() Info {
	info := Info{Rows: w.rows, Bytes: w.out.off, SplitOffsets: w.splits}
	copy(info.SHA256[:], w.out.h.Sum(nil))
	for _, l := range w.leaves {
		if l.fieldID == 0 {
			continue
		}
		c := ColumnInfo{FieldID: l.fieldID, Bytes: l.totalBytes, Values: l.values}
		c.Bounds = coltype.Bounds{Rows: w.rows, Nulls: l.total.nulls, Exact: w.exact}
		if l.elem.typ == physFloat || l.elem.typ == physDouble {
			c.Bounds.NaNs = l.total.nans
		}
		if l.shape == shapeFlat {
			lo, hi := l.total.encode(l.elem.typ)
			c.Bounds.Min, c.Bounds.Max = statValue(l.typ, &l.elem, lo), statValue(l.typ, &l.elem, hi)
		}
		info.Columns = append(info.Columns, c)
	}
	return info
}
