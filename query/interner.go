package query

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// interner numbers the distinct values of a column: 0 is NULL. It serves one goroutine.
type interner struct {
	t     coltype.Type
	f     form
	whole *wholeNumbers
	float map[uint64]uint32
	num   map[decimal128.Num]uint32
	text  map[string]uint32 // the bytes as they stand
	byKey map[string]uint32 // where values with other bytes can be equal
	cells []cell            // by number, but for whole; of values that are equal the one seen first
	mem   int64

	short  [257]uint32 // numbers of the empty text and of those of one byte
	recent [256]uint32 // numbers of others seen lately, by a hash
	key    []byte
}

// count is how many numbers there are, that of NULL included.
func (in *interner) count() int {
	if in.whole != nil {
		return len(in.whole.values)
	}
	return len(in.cells)
}

// cell is the value with a number.
func (in *interner) cell(id uint32) cell {
	switch {
	case in.whole == nil:
		return in.cells[id]
	case id == 0:
		return cell{null: true}
	}
	return cell{v: coltype.Value{Kind: in.t.Kind, I: in.whole.values[id]}}
}

// bytes is the memory that it takes, roughly.
func (in *interner) bytes() int64 {
	if in.whole != nil {
		return in.whole.bytes()
	}
	return in.mem
}

// mapEntry is what an entry of a map takes beside its variable bytes, roughly.
const mapEntry = 64

func newInterner(t coltype.Type) *interner {
	f, _ := formOf(t)
	in := &interner{t: t, f: f, cells: []cell{{null: true}}}
	switch f {
	case wholeForm:
		in.whole = newWholeNumbers()
	case floatForm:
		in.float = map[uint64]uint32{}
	case decimalForm:
		in.num = map[decimal128.Num]uint32{}
	default:
		in.text = map[string]uint32{}
	}
	if f != wholeForm && f != floatForm && f != bytesForm && f != enumForm {
		in.byKey = map[string]uint32{}
	}
	return in
}

// add numbers a value that is new.
func (in *interner) add(c cell) uint32 {
	in.cells = append(in.cells, c)
	in.mem += mapEntry + c.bytes() + 128
	return uint32(len(in.cells) - 1)
}

// slow numbers a value by its key.
func (in *interner) slow(c cell) (uint32, error) {
	if c.null {
		return 0, nil
	}
	switch {
	case in.whole != nil:
		return in.whole.of(c.v.I), nil
	case in.float != nil:
		return in.ofFloat(c.v), nil
	case in.byKey == nil:
		id, ok := in.text[c.v.S]
		if !ok {
			id = in.add(c)
			in.text[c.v.S] = id
		}
		return id, nil
	}
	var err error
	if in.key, err = appendCellKey(in.key[:0], in.t, in.f, c); err != nil {
		return 0, err
	}
	id, ok := in.byKey[string(in.key)]
	if !ok {
		id = in.add(c)
		in.mem += int64(len(in.key)) + mapEntry
		in.byKey[string(in.key)] = id
	}
	return id, nil
}

func (in *interner) ofFloat(v coltype.Value) uint32 {
	k := floatKey(v.F)
	id, ok := in.float[k]
	if !ok {
		id = in.add(cell{v: v})
		in.float[k] = id
	}
	return id
}

// ids numbers the rows of arr. side are its cells in the side column.
func (in *interner) ids(arr arrow.Array, side []sideText, out []uint32) error {
	if err := in.typed(arr, out); err != nil {
		return err
	}
	for _, s := range side {
		c, err := exactCell(in.t, s.text)
		if err != nil {
			return err
		}
		if out[s.row], err = in.slow(c); err != nil {
			return err
		}
	}
	return nil
}

func (in *interner) typed(arr arrow.Array, out []uint32) error {
	nulls := arr.NullN() > 0
	switch a := arr.(type) {
	case array.ExtensionArray:
		return in.typed(a.Storage(), out)
	case *array.Decimal128:
		if in.num != nil && int(a.DataType().(*arrow.Decimal128Type).Scale) == in.t.Scale {
			return in.decimals(a, out)
		}
	case *array.String:
		if in.byKey == nil && in.text != nil && a.Len() > 0 {
			return in.strings(a, out)
		}
		return in.texts(arr, func(i int) string { return a.Value(i) }, out)
	case *array.Binary:
		return in.texts(arr, a.ValueString, out)
	case *array.FixedSizeBinary:
		return in.texts(arr, func(i int) string { return string(a.Value(i)) }, out)
	}
	if in.whole != nil {
		at, err := wholeAt(arr)
		if err != nil {
			return err
		}
		for i := range out {
			if nulls && arr.IsNull(i) {
				out[i] = 0
				continue
			}
			out[i] = in.whole.of(at(i))
		}
		return nil
	}
	for i := range out {
		if arr.IsNull(i) {
			out[i] = 0
			continue
		}
		if in.f == listForm {
			var err error
			if in.key, err = appendListKey(in.key[:0], in.t, arr, i); err != nil {
				return err
			}
			if id, ok := in.byKey[string(in.key)]; ok {
				out[i] = id
				continue
			}
		}
		c, err := cellAt(in.t, arr, i)
		if err != nil {
			return err
		}
		if out[i], err = in.slow(c); err != nil {
			return err
		}
	}
	return nil
}

func (in *interner) decimals(a *array.Decimal128, out []uint32) error {
	scale := in.t.Scale
	for i := range out {
		if a.IsNull(i) {
			out[i] = 0
			continue
		}
		v := a.Value(i)
		id, ok := in.num[v]
		if !ok {
			var err error
			if id, err = in.slow(cell{v: coltype.Value{Kind: coltype.Decimal, Big: v.BigInt(), Scale: scale}}); err != nil {
				return err
			}
			in.num[v] = id
		}
		out[i] = id
	}
	return nil
}

// strings is texts where equal strings have equal bytes: the short and the recent ones need no map.
func (in *interner) strings(a *array.String, out []uint32) error {
	nulls := a.NullN() > 0
	offsets, data := a.ValueOffsets(), a.ValueBytes()
	base := offsets[0]
	for i := range out {
		if nulls && a.IsNull(i) {
			out[i] = 0
			continue
		}
		s := data[offsets[i]-base : offsets[i+1]-base]
		var slot *uint32
		if len(s) <= 1 {
			k := 0
			if len(s) == 1 {
				k = 1 + int(s[0])
			}
			if slot = &in.short[k]; *slot != 0 {
				out[i] = *slot
				continue
			}
		} else if slot = &in.recent[shortHash(s)]; *slot != 0 && in.cells[*slot].v.S == string(s) {
			out[i] = *slot
			continue
		}
		id, ok := in.text[string(s)]
		if !ok {
			id = in.add(cell{v: coltype.Value{Kind: in.t.Kind, S: string(s)}})
			in.text[in.cells[id].v.S] = id
		}
		*slot, out[i] = id, id
	}
	return nil
}

// texts numbers strings and bytes: each that is new by its key, where others can be equal to it.
func (in *interner) texts(arr arrow.Array, at func(i int) string, out []uint32) error {
	if in.text == nil {
		return fmt.Errorf("an Arrow array of %v does not hold values of %s", arr.DataType(), in.t.Name)
	}
	nulls := arr.NullN() > 0
	last, lastID, any := "", uint32(0), false
	for i := range out {
		if nulls && arr.IsNull(i) {
			out[i] = 0
			continue
		}
		s := at(i)
		if any && s == last {
			out[i] = lastID
			continue
		}
		id, ok := in.text[s]
		if !ok {
			c := cell{v: coltype.Value{Kind: in.t.Kind, S: strings.Clone(s)}}
			var err error
			if id, err = in.slow(c); err != nil {
				return err
			}
			if in.byKey != nil {
				in.mem += int64(len(s)) + mapEntry
			}
			in.text[c.v.S] = id
		}
		last, lastID, any = s, id, true
		out[i] = id
	}
	return nil
}

// shortHash tells strings apart by a few of their bytes.
func shortHash(s []byte) uint8 {
	h := uint32(len(s))*31 + uint32(s[0])
	h = h*31 + uint32(s[len(s)/2])
	h = h*31 + uint32(s[len(s)-1])
	return uint8(h ^ h>>8)
}

// wholeAt reads the values of arr as [coltype.Value].I has them.
func wholeAt(arr arrow.Array) (func(i int) int64, error) {
	switch a := arr.(type) {
	case *array.Boolean:
		return func(i int) int64 {
			if a.Value(i) {
				return 1
			}
			return 0
		}, nil
	case *array.Int32:
		v := a.Int32Values()
		return func(i int) int64 { return int64(v[i]) }, nil
	case *array.Int64:
		v := a.Int64Values()
		return func(i int) int64 { return v[i] }, nil
	case *array.Date32:
		v := a.Date32Values()
		return func(i int) int64 { return int64(v[i]) - coltype.UnixToPGDays }, nil
	case *array.Time64:
		v := a.Time64Values()
		return func(i int) int64 { return int64(v[i]) }, nil
	case *array.Timestamp:
		v := a.TimestampValues()
		return func(i int) int64 { return int64(v[i]) - coltype.UnixToPGMicros }, nil
	}
	return nil, fmt.Errorf("an Arrow array of %v does not hold whole numbers", arr.DataType())
}
