package query

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// cell is one value of a column out of its batch: NULL, a scalar, or a list as an array of one row. Numerics without
// precision are their texts (Kind String), so that their scale stays.
type cell struct {
	null bool
	v    coltype.Value
	list arrow.Array
	text string // of a list that its column cannot hold
}

// bytes is what a cell takes beyond itself, roughly.
func (c *cell) bytes() int64 {
	n := int64(len(c.v.S) + len(c.text))
	if c.v.Big != nil {
		n += 48
	}
	if c.list != nil {
		n += 256 + sizeOf(c.list)
	}
	return n
}

// cellAt is row i of arr, a column of type t, which is not NULL there.
func cellAt(t coltype.Type, arr arrow.Array, i int) (cell, error) {
	if t.Kind == coltype.List {
		b := array.NewBuilder(memory.DefaultAllocator, arr.DataType())
		defer b.Release()
		if err := copyRow(b, arr, i); err != nil {
			return cell{}, err
		}
		return cell{list: b.NewArray()}, nil
	}
	if t.Wire == coltype.WireNumeric && t.Kind == coltype.String {
		t.Base = "text" // for ValueAt: as it stands
	}
	v, err := coltype.ValueAt(t, arr, i)
	return cell{v: v}, err
}

// exactCell is a cell that stands in the side column.
func exactCell(t coltype.Type, text string) (cell, error) {
	if t.Kind == coltype.List {
		return cell{text: text}, nil
	}
	v, err := coltype.ParseText(t, text)
	return cell{v: v}, err
}

// appendCellKey is the key of c, which is not NULL.
func appendCellKey(dst []byte, t coltype.Type, f form, c cell) ([]byte, error) {
	switch {
	case f != listForm:
		return appendKey(dst, t, f, c.v)
	case c.list != nil:
		return appendListKey(dst, t, c.list, 0)
	}
	return appendArrayKey(dst, t, c.text)
}

// sheet builds result rows, the side column included.
type sheet struct {
	cols  []coltype.Column
	to    []array.Builder
	rows  int
	exact [][2]string // of the row being built
	texts [][][2]string
}

func newSheet(cols []coltype.Column) *sheet {
	s := &sheet{cols: cols}
	for _, c := range cols {
		s.to = append(s.to, array.NewBuilder(memory.DefaultAllocator, c.ArrowField().Type))
	}
	return s
}

func (s *sheet) release() {
	for _, b := range s.to {
		b.Release()
	}
}

// put appends c to column i.
func (s *sheet) put(i int, c cell) error {
	switch {
	case c.null:
		s.to[i].AppendNull()
		return nil
	case c.list != nil:
		return copyRow(s.to[i], c.list, 0)
	case s.cols[i].Type.Kind == coltype.List:
		s.putText(i, c.text)
		return nil
	}
	ok, err := appendValue(s.to[i], c.v)
	if err == nil && !ok {
		s.putText(i, string(coltype.AppendText(nil, s.cols[i].Type, c.v)))
	}
	return err
}

// copy appends row at of arr to column i.
func (s *sheet) copy(i int, arr arrow.Array, at int) error { return copyRow(s.to[i], arr, at) }

// putText appends a cell that the column cannot hold.
func (s *sheet) putText(i int, text string) {
	s.to[i].AppendNull()
	s.note(s.cols[i].Name, text)
}

// note adds an entry to the side column.
func (s *sheet) note(name, text string) { s.exact = append(s.exact, [2]string{name, text}) }

func (s *sheet) endRow() {
	s.rows++
	if len(s.exact) > 0 {
		for len(s.texts) < s.rows-1 {
			s.texts = append(s.texts, nil)
		}
		s.texts = append(s.texts, s.exact)
		s.exact = nil
	}
}

// batch is the rows put since the last one.
func (s *sheet) batch() arrow.RecordBatch {
	schema := coltype.Schema{Columns: s.cols}
	fields := schema.Arrow().Fields()
	arrs := make([]arrow.Array, 0, len(fields))
	for _, b := range s.to {
		arrs = append(arrs, b.NewArray())
	}
	if len(s.texts) == 0 {
		fields = fields[:len(s.cols)]
	} else {
		b := array.NewMapBuilderWithType(memory.DefaultAllocator, schema.ExactField().Type.(*arrow.MapType))
		defer b.Release()
		keys, texts := b.KeyBuilder().(*array.StringBuilder), b.ItemBuilder().(*array.StringBuilder)
		for i := range s.rows {
			if i >= len(s.texts) || s.texts[i] == nil {
				b.AppendNull()
				continue
			}
			b.Append(true)
			for _, e := range s.texts[i] {
				keys.Append(e[0])
				texts.Append(e[1])
			}
		}
		arrs = append(arrs, b.NewArray())
	}
	out := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrs, int64(s.rows))
	for _, a := range arrs {
		a.Release()
	}
	s.rows, s.texts = 0, nil
	return out
}

// appendValue appends v; ok is false, and nothing appended, when the column's type cannot hold it.
func appendValue(b array.Builder, v coltype.Value) (ok bool, err error) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.I != 0)
	case *array.Int32Builder:
		b.Append(int32(v.I))
	case *array.Int64Builder:
		b.Append(v.I)
	case *array.Float32Builder:
		b.Append(float32(v.F))
	case *array.Float64Builder:
		b.Append(v.F)
	case *array.StringBuilder:
		b.Append(v.S)
	case *array.BinaryBuilder:
		b.Append([]byte(v.S))
	case *extensions.UUIDBuilder:
		b.AppendBytes([16]byte([]byte(v.S)))
	case *array.Date32Builder:
		days, ok := coltype.UnixDays(v.I)
		if !ok {
			return false, nil
		}
		b.Append(arrow.Date32(days))
	case *array.Time64Builder:
		if v.I < 0 || v.I >= coltype.MicrosPerDay {
			return false, nil
		}
		b.Append(arrow.Time64(v.I))
	case *array.TimestampBuilder:
		us, ok := coltype.UnixMicros(v.I)
		if !ok {
			return false, nil
		}
		b.Append(arrow.Timestamp(us))
	case *array.Decimal128Builder:
		n, ok := unscaled(v, int(b.Type().(*arrow.Decimal128Type).Scale))
		if !ok {
			return false, nil
		}
		b.Append(n)
	default:
		return false, fmt.Errorf("no value can be put into a column of %v", b.Type())
	}
	return true, nil
}

// copyRow appends row i of arr, which may be narrower where Iceberg promotes, to b.
func copyRow(b array.Builder, arr arrow.Array, i int) error {
	if arr.IsNull(i) {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if a, ok := arr.(*array.Boolean); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Int32Builder:
		if a, ok := arr.(*array.Int32); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Int64Builder:
		if a, ok := arr.(*array.Int64); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Float32Builder:
		if a, ok := arr.(*array.Float32); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Float64Builder:
		if a, ok := arr.(*array.Float64); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Decimal128Builder:
		if a, ok := arr.(*array.Decimal128); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.StringBuilder:
		if a, ok := arr.(*array.String); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.BinaryBuilder:
		if a, ok := arr.(*array.Binary); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *extensions.UUIDBuilder:
		if a, ok := arr.(array.ExtensionArray); ok {
			if s, ok := a.Storage().(*array.FixedSizeBinary); ok {
				b.AppendBytes([16]byte(s.Value(i)))
				return nil
			}
		}
	case *array.Date32Builder:
		if a, ok := arr.(*array.Date32); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.Time64Builder:
		if a, ok := arr.(*array.Time64); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.TimestampBuilder:
		if a, ok := arr.(*array.Timestamp); ok {
			b.Append(a.Value(i))
			return nil
		}
	case *array.ListBuilder:
		if a, ok := arr.(*array.List); ok {
			b.Append(true)
			from, to := a.ValueOffsets(i)
			for j := from; j < to; j++ {
				if err := copyRow(b.ValueBuilder(), a.ListValues(), int(j)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return fmt.Errorf("an Arrow array of %v cannot be copied into a column of %v", arr.DataType(), b.Type())
}

// sideText is an entry of a side column.
type sideText struct {
	row  int
	text string
}

// sideOf takes the cells of cols out of the side column of b, at index len(cols) when it is there.
func sideOf(b arrow.RecordBatch, cols []coltype.Column) ([][]sideText, error) {
	out := make([][]sideText, len(cols))
	if int(b.NumCols()) <= len(cols) {
		return out, nil
	}
	m, ok := b.Column(len(cols)).(*array.Map)
	if !ok {
		return nil, fmt.Errorf("the side column is %v, want a map", b.Column(len(cols)).DataType())
	}
	if m.NullN() == m.Len() {
		return out, nil
	}
	keys, ok1 := m.Keys().(*array.String)
	items, ok2 := m.Items().(*array.String)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("the side column is %v, want map<utf8, utf8>", m.DataType())
	}
	at := map[string]int{}
	for i, c := range cols {
		if c.Type.MayBeExact() {
			at[c.Name] = i
		}
	}
	for row := range m.Len() {
		if m.IsNull(row) {
			continue
		}
		from, to := m.ValueOffsets(row)
		for j := int(from); j < int(to); j++ {
			if i, ok := at[keys.Value(j)]; ok && !items.IsNull(j) {
				out[i] = append(out[i], sideText{row, strings.Clone(items.Value(j))})
			}
		}
	}
	return out, nil
}

// sizeOf is the memory of an array.
func sizeOf(arr arrow.Array) int64 {
	var n int64
	var add func(d arrow.ArrayData)
	add = func(d arrow.ArrayData) {
		for _, b := range d.Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
		for _, kid := range d.Children() {
			add(kid)
		}
	}
	add(arr.Data())
	return n
}
